import HostFiles
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A directory of this host as a tar archive, read piece by piece: it never is in memory as a whole, however large it is.
///
/// Who can write into the directory leads nobody out of it: every step is taken from an open directory, and links are
/// copied as links. What goes away meanwhile is left out; a file that grows ends where it ended, one that shrinks is filled
/// up with zeros. All of it blocks.
struct TreeArchive: ~Copyable {
    private struct Frame {
        let descriptor: Int32
        let path: [UInt8]
        /// What is still to come, the next one last.
        var names: [[UInt8]]
    }

    private struct Inode: Hashable {
        var device: UInt64
        var number: UInt64
    }

    private let source: String
    private var frames: [Frame] = []
    private var file: (descriptor: Int32, left: Int64, padding: Int)?
    private var isFinished = false
    /// Where a file with several names is already.
    private var seen: [Inode: [UInt8]] = [:]
    /// Sockets, pipes and devices, which mean nothing in another system.
    private(set) var leftOut = 0

    /// What is read at once.
    private static let piece = 256 << 10
    private static let deepest = 512

    private var top: stat?

    /// - Parameters:
    ///   - source: is trusted; what is in it is not.
    ///   - isResolved: there must be no link in its path.
    static func open(_ source: String, isResolved: Bool = false) throws -> TreeArchive {
        let directory = try isResolved ? DirectoryHandle.openResolved(source) : DirectoryHandle.open(source)
        let descriptor = directory.withDescriptor { openat($0, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard descriptor >= 0 else { throw failure("open the directory", source) }
        var archive = TreeArchive(source, descriptor)
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw failure("look at", source) }
        archive.top = status
        archive.frames[0].names = try archive.names(of: descriptor)
        return archive
    }

    private init(_ source: String, _ descriptor: Int32) {
        self.source = source
        frames = [Frame(descriptor: descriptor, path: [], names: [])]
    }

    deinit {
        if let file { close(file.descriptor) }
        for frame in frames { close(frame.descriptor) }
    }

    /// The next bytes; nil after the last.
    /// - Throws: `VZEngineError` when something is there that cannot be read.
    mutating func next() throws -> [UInt8]? {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.piece + 4 * TarHeader.block)
        if let status = top {
            top = nil
            header(Array("./".utf8), .directory, status).append(to: &bytes)
        }
        while bytes.count < Self.piece {
            if file != nil {
                try readFile(into: &bytes)
            } else if let frame = frames.last {
                if let name = frame.names.last {
                    frames[frames.count - 1].names.removeLast()
                    try add(name, of: frame, to: &bytes)
                } else {
                    close(frame.descriptor)
                    frames.removeLast()
                }
            } else if !isFinished {
                isFinished = true
                bytes += [UInt8](repeating: 0, count: 2 * TarHeader.block)
            } else {
                break
            }
        }
        return bytes.isEmpty ? nil : bytes
    }

    // MARK: Entries

    private mutating func add(_ name: [UInt8], of frame: Frame, to bytes: inout [UInt8]) throws {
        let path = frame.path.isEmpty ? name : frame.path + [UInt8(ascii: "/")] + name
        let term = name.map { CChar(bitPattern: $0) } + [0]
        var status = stat()
        guard fstatat(frame.descriptor, term, &status, AT_SYMLINK_NOFOLLOW) == 0 else {
            if errno == ENOENT { return }
            throw failure("look at", path)
        }
        switch status.st_mode & S_IFMT {
        case S_IFDIR: try addDirectory(term, path, frame, to: &bytes)
        case S_IFREG: try addFile(term, path, frame, to: &bytes)
        case S_IFLNK:
            var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
            let count = buffer.withUnsafeMutableBytes { bytes in
                bytes.withMemoryRebound(to: CChar.self) {
                    readlinkat(frame.descriptor, term, $0.baseAddress!, $0.count)
                }
            }
            guard count >= 0 else {
                if errno == ENOENT || errno == EINVAL { return }
                throw failure("read the link", path)
            }
            var header = header(path, .link, status)
            header.target = Array(buffer[..<count])
            header.append(to: &bytes)
        default: leftOut += 1
        }
    }

    private mutating func addDirectory(
        _ term: [CChar], _ path: [UInt8], _ frame: Frame, to bytes: inout [UInt8]
    ) throws {
        guard frames.count < Self.deepest else {
            throw VZEngineError(
                .failed, "\(source) is nested deeper than \(Self.deepest) directories: it is not copied")
        }
        let descriptor = openat(frame.descriptor, term, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else {
            if isGone(errno) { return }
            throw failure("open the directory", path)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            throw failure("look at", path)
        }
        header(path + [UInt8(ascii: "/")], .directory, status).append(to: &bytes)
        // Closed with the others whatever happens from here.
        frames.append(Frame(descriptor: descriptor, path: path, names: []))
        frames[frames.count - 1].names = try names(of: descriptor)
    }

    private mutating func addFile(
        _ term: [CChar], _ path: [UInt8], _ frame: Frame, to bytes: inout [UInt8]
    ) throws {
        // A pipe in its place must not hold us.
        let descriptor = openat(frame.descriptor, term, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else {
            if isGone(errno) { return }
            throw failure("open", path)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            leftOut += 1
            return
        }
        let inode = Inode(device: UInt64(truncatingIfNeeded: status.st_dev), number: UInt64(status.st_ino))
        if status.st_nlink > 1, let first = seen[inode] {
            close(descriptor)
            var header = header(path, .hardLink, status)
            header.target = first
            return header.append(to: &bytes)
        }
        if status.st_nlink > 1 { seen[inode] = path }
        var header = header(path, .file, status)
        header.size = Int64(status.st_size)
        header.append(to: &bytes)
        file = (descriptor, header.size, TarHeader.padding(after: header.size))
    }

    /// Went away, or became something else, since it was looked at.
    private func isGone(_ code: Int32) -> Bool { code == ENOENT || code == ELOOP || code == ENOTDIR || code == ENXIO }

    private mutating func readFile(into bytes: inout [UInt8]) throws {
        guard let (descriptor, left, padding) = file else { return }
        let wanted = Int(min(left, Int64(Self.piece)))
        var got = 0
        if wanted > 0 {
            let chunk = try [UInt8](unsafeUninitializedCapacity: wanted) { buffer, filled in
                while filled < wanted {
                    let count = read(descriptor, buffer.baseAddress! + filled, wanted - filled)
                    if count < 0, errno == EINTR { continue }
                    guard count >= 0 else { throw Self.failure("read a file in", source) }
                    if count == 0 { break }
                    filled += count
                }
            }
            got = chunk.count
            bytes += chunk
            // It is shorter than it was: its size is told already.
            if got < wanted { bytes += [UInt8](repeating: 0, count: wanted - got) }
        }
        guard left > Int64(wanted) else {
            bytes += [UInt8](repeating: 0, count: padding)
            close(descriptor)
            file = nil
            return
        }
        file = (descriptor, left - Int64(wanted), padding)
    }

    private func header(_ name: [UInt8], _ kind: TarHeader.Kind, _ status: stat) -> TarHeader {
        TarHeader(
            name: name, kind: kind, mode: UInt32(status.st_mode), userID: status.st_uid, groupID: status.st_gid,
            modified: status.modified)
    }

    /// In order, the first one last.
    private func names(of descriptor: Int32) throws -> [[UInt8]] {
        let own = openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard own >= 0, let listing = fdopendir(own) else {
            let failure = Self.failure("list a directory in", source)
            if own >= 0 { close(own) }
            throw failure
        }
        defer { closedir(listing) }
        var names: [[UInt8]] = []
        errno = 0
        while let entry = readdir(listing) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { bytes in
                    UnsafeBufferPointer(start: bytes, count: strlen(bytes)).map { UInt8(bitPattern: $0) }
                }
            }
            if name != [UInt8(ascii: ".")], name != Array("..".utf8) { names.append(name) }
            errno = 0
        }
        guard errno == 0 else { throw Self.failure("list a directory in", source) }
        return names.sorted { $1.lexicographicallyPrecedes($0) }
    }

    private func failure(_ attempt: String, _ path: [UInt8]) -> VZEngineError {
        Self.failure(attempt, source + "/" + String(decoding: path, as: UTF8.self))
    }

    private static func failure(_ attempt: String, _ path: String) -> VZEngineError {
        VZEngineError(.failed, "cannot \(attempt) \(path): \(String(cString: strerror(errno)))")
    }
}
