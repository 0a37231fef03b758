import HostFiles
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Copies of disks that cost nothing: they share what was not changed with what they are copied from.
public enum DiskClone {
    /// How a clone came to be.
    public enum Method: String, Sendable, Hashable {
        /// The file system shares the blocks.
        case reflink
        /// A file in QEMU's format that has what differs.
        case overlay
    }

    /// Clones a disk in constant time. The base must not change as long as the clone is used.
    ///
    /// - Parameters:
    ///   - base: its file.
    ///   - format: the base's.
    ///   - path: the clone's file, which must not exist yet.
    ///   - method: nil takes the first that works.
    ///   - sharing: how the file system is asked.
    ///   - size: how many bytes the guest sees, rounded up to whole sectors; nil is the base's. Further bytes are zeros.
    /// - Returns: the clone, whose format is `format` or, where the file system shares nothing, `qcow2`.
    /// - Throws: `VZEngineError` with `badRecord` for a base that is no disk, `invalidArgument` for one that is larger than
    ///   `size`, `exhausted`, `unsupported` when `method` is none of this file system's, or `failed`. Then there is no clone,
    ///   and what was at `path` before is there still.
    public static func make(
        of base: String, format: MachineConfig.Disk.Format, at path: String, method: Method? = nil,
        sharing: BlockSharing = .system, size: Int64? = nil
    ) async throws -> (disk: MachineConfig.Disk, method: Method) {
        try await NIOThreadPool.singleton.runIfActive {
            let grown = try size.map { try Self.grown(base, format, to: $0) } ?? nil
            // To grow another format's disk in place its tables would have to be: an overlay is of any size.
            if method != .overlay, grown == nil || format == .raw || method != nil {
                if try sharing.share(base, path) {
                    do {
                        if let grown { try extend(path, format, to: grown) }
                    } catch {
                        unlink(path)
                        throw error
                    }
                    return (MachineConfig.Disk(path: path, format: format), .reflink)
                }
                guard method == nil else {
                    throw VZEngineError(.unsupported, "the file system of \(path) cannot share the blocks of \(base)")
                }
            }
            let size = try grown ?? Self.size(of: base, format)
            let overlay = try QCow2Overlay(base: base, format: format, size: size)
            try overlay.write(to: path)
            return (MachineConfig.Disk(path: path, format: .qcow2), .overlay)
        }
    }

    /// Makes a disk over one that another process serves. Parameters and errors are as for ``make``.
    /// - Parameter format: of what is served.
    public static func make(
        of remote: MachineConfig.Remote, format: MachineConfig.Disk.Format, at path: String, size: Int64? = nil
    ) async throws -> MachineConfig.Disk {
        let size = size ?? remote.size
        guard size >= remote.size else {
            throw VZEngineError(
                .invalidArgument,
                "a disk of \(size) bytes was asked for, and the image's has \(remote.size): a disk can grow, not shrink"
            )
        }
        let overlay = try QCow2Overlay(remote: remote, format: format, size: (UInt64(size) + 511) & ~511)
        try await NIOThreadPool.singleton.runIfActive { try overlay.write(to: path) }
        return MachineConfig.Disk(path: path, format: .qcow2, remote: remote)
    }

    /// The size that was asked for; nil when the base has it already.
    private static func grown(_ base: String, _ format: MachineConfig.Disk.Format, to wanted: Int64) throws -> UInt64? {
        let present = try size(of: base, format)
        let wanted = (UInt64(max(0, wanted)) + 511) & ~511
        guard wanted >= present else {
            throw VZEngineError(
                .invalidArgument,
                "a disk of \(wanted) bytes was asked for, and the image's has \(present): a disk can grow, not shrink")
        }
        return wanted == present ? nil : wanted
    }

    private static func extend(_ path: String, _ format: MachineConfig.Disk.Format, to size: UInt64) throws {
        guard format == .raw else {
            throw VZEngineError(
                .unsupported, "the disk \(path) is \(format.rawValue): only an overlay of it can be larger")
        }
        guard truncate(path, off_t(size)) == 0 else { throw VZEngineError.system("grow the disk \(path)") }
    }

    /// How many bytes the guest sees, rounded up to whole sectors.
    public static func size(of base: String, _ format: MachineConfig.Disk.Format) throws -> UInt64 {
        switch format {
        case .raw:
            var status = stat()
            guard stat(base, &status) == 0 else { throw VZEngineError.system("look at the disk \(base)") }
            guard status.st_size > 0 else { throw VZEngineError(.badRecord, "the disk \(base) is empty") }
            return (UInt64(status.st_size) + 511) & ~511
        case .qcow2:
            let header = try head(of: base)
            guard header.count >= 32, header[0..<4].elementsEqual(QCow2Overlay.magic) else {
                throw VZEngineError(.badRecord, "\(base) is no qcow2 disk")
            }
            return header[24..<32].reduce(0) { $0 << 8 | UInt64($1) }
        }
    }

    private static func head(of path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw VZEngineError.system("open the disk \(path)") }
        defer { close(descriptor) }
        var bytes = [UInt8](repeating: 0, count: 104)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else { throw VZEngineError.system("read the disk \(path)") }
        return Array(bytes.prefix(count))
    }
}
