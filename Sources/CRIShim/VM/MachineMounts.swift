import Proto
import VZEngine

/// A container's mounts as shares of a machine: one per directory of the host. A single file is staged in a directory of
/// its own in the bundle, so that the guest sees nothing beside it.
struct MachineMounts: Sendable, Equatable {
    enum Kind: Sendable, Equatable { case directory, file, absent }

    /// A file to be put into the bundle.
    struct Staged: Sendable, Equatable {
        var source: String
        /// Relative to the staging directory.
        var subPath: String
        var readOnly: Bool
    }

    static let filesTag = "files"

    var shares: [MachineConfig.Share] = []
    var mounts: [MachineConfig.Mount] = []
    var staged: [Staged] = []
    /// Directories that a share needs and that are not there.
    var missing: [String] = []
    /// The host's file that is /etc/hosts in the container: its lines are given to the guest, which keeps its own file.
    var hostsFile: String?
    /// The host's file that takes the container's last words.
    var terminationFile: String?

    /// - Parameters:
    ///   - staging: the directory that will hold the staged files.
    ///   - kind: what is at a path of the host.
    /// - Throws: `invalidArgument`, `unsupported`.
    init(
        _ mounts: [CRI.Mount], terminationPath: String?, staging: String, kind: (String) throws -> Kind
    ) throws {
        for mount in mounts {
            try Self.check(mount)
            let guestPath = Self.normalised(mount.containerPath)
            let source = Self.normalised(mount.hostPath)
            let found = try kind(source)
            if found == .file, guestPath == "/etc/hosts" {
                hostsFile = source
                continue
            }
            if let terminationPath, guestPath == Self.normalised(terminationPath), found != .directory {
                terminationFile = source
                continue
            }
            switch found {
            case .file:
                let name = source.split(separator: "/").last.map(String.init) ?? "file"
                let subPath = "\(staged.count)/\(name)"
                staged.append(Staged(source: source, subPath: subPath, readOnly: mount.readonly))
                self.mounts.append(
                    .init(tag: Self.filesTag, subPath: subPath, guestPath: guestPath, readOnly: mount.readonly))
            case .directory, .absent:
                if found == .absent, !missing.contains(source) { missing.append(source) }
                self.mounts.append(
                    .init(tag: share(source, mount.readonly), guestPath: guestPath, readOnly: mount.readonly))
            }
        }
        if !staged.isEmpty {
            shares.append(
                .init(tag: Self.filesTag, source: staging, readOnly: staged.allSatisfy(\.readOnly)))
        }
        // What is mounted on something comes after it.
        self.mounts = self.mounts.enumerated().sorted {
            ($0.element.guestPath.split(separator: "/").count, $0.offset)
                < ($1.element.guestPath.split(separator: "/").count, $1.offset)
        }.map(\.element)
    }

    private mutating func share(_ source: String, _ readOnly: Bool) -> String {
        if let index = shares.firstIndex(where: { $0.source == source }) {
            shares[index].readOnly = shares[index].readOnly && readOnly
            return shares[index].tag
        }
        let tag = "m\(shares.count)"
        shares.append(.init(tag: tag, source: source, readOnly: readOnly))
        return tag
    }

    private static func check(_ mount: CRI.Mount) throws {
        func unsupported(_ what: String) -> ShimError {
            ShimError(.unsupported, "mount \(mount.containerPath): \(what), which a virtual machine cannot have")
        }
        if let image = mount.image, !image.image.isEmpty {
            throw unsupported("the contents of image \(image.image) were asked for")
        }
        guard mount.uidMappings.isEmpty, mount.gidMappings.isEmpty else {
            throw unsupported("id mappings were asked for")
        }
        guard mount.mountOptions.isEmpty else {
            throw unsupported("the options \(mount.mountOptions.joined(separator: ",")) were asked for")
        }
        guard mount.propagation != .propagationBidirectional else {
            throw unsupported("mounts made inside were asked to appear on the host")
        }
        guard mount.hostPath.hasPrefix("/"), mount.containerPath.hasPrefix("/") else {
            throw ShimError(
                .invalidArgument,
                "mount \"\(mount.hostPath)\" at \"\(mount.containerPath)\": both paths must be absolute")
        }
        guard !mount.containerPath.split(separator: "/").contains("..") else {
            throw ShimError(.invalidArgument, "mount \(mount.containerPath): the path must not contain \"..\"")
        }
        guard mount.containerPath.contains(where: { $0 != "/" }) else {
            throw unsupported("the root of the guest was asked to be replaced")
        }
    }

    /// Without doubled slashes, dots and a slash at its end.
    static func normalised(_ path: String) -> String {
        "/" + path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    /// The lines of a hosts file that mean something in another network than the container's own.
    static func hosts(in text: String) -> [MachineConfig.Naming.Host] {
        text.split(whereSeparator: \.isNewline).compactMap { line in
            let words = line.prefix { $0 != "#" }.split(whereSeparator: \.isWhitespace).map(String.init)
            guard words.count > 1, let address = words.first else { return nil }
            let isLocal =
                address.hasPrefix("127.") || address == "::1" || address.hasPrefix("fe00:") || address.hasPrefix("ff0")
            return isLocal ? nil : .init(address: address, names: Array(words.dropFirst()))
        }
    }
}
