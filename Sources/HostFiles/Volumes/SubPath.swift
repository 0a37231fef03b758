#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Finds what a `subPath` names inside a volume. The pod can write there, so every step is taken relative to an open
/// directory and no link may lead out of the volume.
///
/// A runtime takes a path, not a descriptor: who can write to the volume while the container is being created could
/// still exchange a directory after it was checked here. The runtime has the last word on that.
struct SubPath: ~Copyable {
    private let root: String
    private let text: String
    private var descriptors: [Int32] = []
    private var names: [String] = []

    private init(root: String, text: String) {
        self.root = root
        self.text = text
    }

    deinit {
        for descriptor in descriptors { close(descriptor) }
    }

    /// The path on the host, links resolved. Directories that are missing are made like the volume's own.
    static func resolve(_ subPath: String, in volume: String) throws(HostFilesError) -> String {
        guard !subPath.utf8.contains(0), subPath.utf8.count <= 4095 else {
            throw HostFilesError(.escapes, "a subPath of \(volume) is too long or no path at all")
        }
        let root = try SystemFiles.realPath(volume)
        var walk = SubPath(root: root, text: subPath)
        return try walk.run()
    }

    private func refusal(_ reason: String) -> HostFilesError {
        HostFilesError(.escapes, "subPath \"\(text)\" of \(root) \(reason)")
    }

    private mutating func run() throws(HostFilesError) -> String {
        let top = open(root, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard top >= 0 else { throw SystemFiles.failure("open the volume", root) }
        descriptors = [top]
        var info = stat()
        guard fstat(top, &info) == 0 else { throw SystemFiles.failure("look at", root) }
        let mode = info.st_mode & 0o7777
        var links = 0
        var pending = Array(text.split(separator: "/").map(String.init).reversed())
        var leaf: String?
        while let name = pending.popLast() {
            if descriptors.count > 64 { throw refusal("is too deep") }
            if leaf != nil { throw refusal("passes through something that is no directory") }
            if name == "." { continue }
            if name == ".." {
                try leave()
                continue
            }
            guard let here = descriptors.last else { throw refusal("leads out of the volume") }
            var info = stat()
            if fstatat(here, name, &info, AT_SYMLINK_NOFOLLOW) != 0 {
                guard errno == ENOENT else { throw SystemFiles.failure("look at \"\(name)\" in", root) }
                guard mkdirat(here, name, 0o700) == 0 || errno == EEXIST else {
                    throw SystemFiles.failure("make directory \"\(name)\" in", root)
                }
                try enter(name, mode: mode)
            } else if info.isLink {
                links += 1
                guard links <= 40 else { throw refusal("has too many links") }
                pending += try target(of: name, in: here)
            } else if info.isDirectory {
                try enter(name, mode: nil)
            } else {
                leaf = name
            }
        }
        return ([root == "/" ? "" : root] + names + (leaf.map { [$0] } ?? [])).joined(separator: "/")
    }

    private mutating func enter(_ name: String, mode: mode_t?) throws(HostFilesError) {
        guard let here = descriptors.last else { return }
        let next = openat(here, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard next >= 0 else { throw SystemFiles.failure("open \"\(name)\" in", root) }
        descriptors.append(next)
        names.append(name)
        if let mode, fchmod(next, mode) != 0 { throw SystemFiles.failure("set the mode of \"\(name)\" in", root) }
    }

    private mutating func leave() throws(HostFilesError) {
        guard descriptors.count > 1, let last = descriptors.popLast() else { throw refusal("leads out of the volume") }
        close(last)
        names.removeLast()
    }

    /// The components a link stands for, last first; an absolute one starts at the volume again.
    private mutating func target(of name: String, in here: Int32) throws(HostFilesError) -> [String] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let count = buffer.withUnsafeMutableBytes { (bytes: UnsafeMutableRawBufferPointer) -> Int in
            guard let base = bytes.baseAddress else { return -1 }
            return readlinkat(here, name, base.assumingMemoryBound(to: CChar.self), bytes.count)
        }
        guard count >= 0 else { throw SystemFiles.failure("read the link \"\(name)\" in", root) }
        var target = String(decoding: buffer[..<count], as: UTF8.self)[...]
        if target.hasPrefix("/") {
            let inside = root.hasSuffix("/") ? root : root + "/"
            guard target == root || target.hasPrefix(inside) else { throw refusal("leads out of the volume") }
            target = target.dropFirst(root.count)
            while descriptors.count > 1 { try leave() }
        }
        return target.split(separator: "/").map(String.init).reversed()
    }
}
