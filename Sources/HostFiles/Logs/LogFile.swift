import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A container's CRI log file, written from a source that can be asked again: every entry once and in order, also when
/// this process is killed at any point, when the kubelet rotates the file (renames it and calls `reopen`), and when it
/// does so while nobody runs here.
///
/// What has been written is read from the file itself. A small record beside our own state says which file that was, and
/// carries what a file that was rotated away knew.
public final class LogFile: Sendable {
    /// Where the source is to go on.
    public struct Position: Sendable, Equatable {
        /// Ask for entries from this time on, in nanoseconds since 1970; ``LogFile/append(_:)`` skips those it has.
        public let timestamp: Int64
    }

    private let path: String
    private let cursorPath: String
    private let state = Mutex<LogFileState?>(nil)

    /// - Parameters:
    ///   - path: the log file.
    ///   - cursorPath: the record; its directory belongs to this program.
    public init(path: String, cursorPath: String) {
        self.path = path
        self.cursorPath = cursorPath
    }

    /// Opens or makes the file. Call it before every stream of entries.
    /// - Returns: where the stream has to begin; nil for the beginning.
    /// - Throws: `HostFilesError`.
    public func open() async throws -> Position? {
        try await locked { state in
            if state == nil { state = try LogFileState(path: self.path, cursorPath: self.cursorPath) }
            return state!.begin().map(Position.init)
        }
    }

    /// Opens or makes the file for a source that cannot be asked again: whatever it brings is new.
    /// - Throws: `HostFilesError`.
    public func openFresh() async throws {
        try await locked { state in
            if state == nil { state = try LogFileState(path: self.path, cursorPath: self.cursorPath) }
        }
    }

    /// Writes what has not been written. When it throws, nothing of `lines` counts as written.
    public func append(_ lines: [LogLine]) async throws {
        try await locked { state in
            guard state != nil else { throw HostFilesError(.failed, "the log file \(self.path) is not open") }
            try state!.append(lines)
        }
    }

    /// Goes on in a new file at the same path, because the old one was renamed.
    public func reopen() async throws {
        try await locked { state in
            guard state != nil else { return }
            try state!.reopen()
        }
    }

    /// Also when the caller's task is cancelled.
    public func close() async throws {
        try await Task { [self] in
            try await locked { state in
                state?.close()
                state = nil
            }
        }.value
    }

    private func locked<R: Sendable>(_ body: @escaping @Sendable (inout LogFileState?) throws -> R) async throws -> R {
        // File I/O blocks: never on an event loop or in the cooperative pool.
        try await NIOThreadPool.singleton.runIfActive { try self.state.withLock { state in try body(&state) } }
    }
}

/// The open file and what is known of it. Not thread-safe.
struct LogFileState {
    private let path: String
    private let cursorPath: String
    private var descriptor: Int32
    private var size: Int64
    private var window: LogWindow
    private var toSkip = 0

    init(path: String, cursorPath: String) throws {
        self.path = path
        self.cursorPath = cursorPath
        let cursor = try LogCursor.load(cursorPath)
        if let slash = path.lastIndex(of: "/") { try Directories.make(String(path[..<slash]), mode: 0o755) }
        descriptor = try Self.open(path)
        size = 0
        window = LogWindow()
        do {
            let here = try FileFacts(descriptor)
            size = try LogTail.cutTornEntry(descriptor, here.size)
            if let cursor, cursor.file != here.identity {
                // Rotated: what the older file held last comes before what this one holds.
                var times = cursor.times
                if size == 0, let old = try Self.renamed(cursor.file, beside: path) {
                    defer { _ = systemClose(old) }
                    // What was torn there is written whole here.
                    times += try LogTail.times(old, try LogTail.cutTornEntry(old, try FileFacts(old).size))
                }
                window = LogWindow(times + (try LogTail.times(descriptor, size)))
                try save(here.identity, carrying: times)
            } else {
                window = LogWindow((cursor?.times ?? []) + (try LogTail.times(descriptor, size)))
                if cursor == nil { try save(here.identity, carrying: []) }
            }
        } catch {
            _ = systemClose(descriptor)
            throw error
        }
    }

    /// - Returns: from which time on entries are wanted.
    mutating func begin() -> Int64? {
        toSkip = window.written
        return window.since
    }

    mutating func append(_ lines: [LogLine]) throws {
        var skip = toSkip
        var bytes = ByteBuffer()
        var next = window
        for line in lines {
            if skip > 0 {
                skip -= 1
                continue
            }
            line.append(to: &bytes)
            next.note(line.timestamp)
        }
        do {
            try bytes.withUnsafeReadableBytes { try Self.write($0, to: descriptor, path) }
        } catch {
            // Half an entry, or entries that the caller brings again, must not stay.
            ftruncate(descriptor, off_t(size))
            throw error
        }
        size += Int64(bytes.readableBytes)
        window = next
        toSkip = skip
    }

    mutating func reopen() throws {
        let fresh = try Self.open(path)
        do {
            let identity = try FileFacts(fresh).identity
            guard try FileFacts(descriptor).identity != identity else {
                _ = systemClose(fresh)
                return
            }
            let whole = try LogTail.cutTornEntry(fresh, try FileFacts(fresh).size)
            // Known before the first byte is in the new file: a kill in between finds its way back. Nothing after this
            // can fail: else more went to the old file than the record says.
            try save(identity, carrying: window.trimmed.times)
            size = whole
        } catch {
            _ = systemClose(fresh)
            throw error
        }
        _ = systemClose(descriptor)
        descriptor = fresh
    }

    func close() { _ = systemClose(descriptor) }

    private func save(_ identity: FileFacts.Identity, carrying times: [Int64]) throws {
        try LogCursor(file: identity, times: LogWindow(times).trimmed.times).save(cursorPath)
    }

    private static func open(_ path: String) throws -> Int32 {
        let descriptor = systemOpen(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard descriptor >= 0 else { throw HostFilesError.system("open the log file \(path)") }
        return descriptor
    }

    private static func write(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, _ path: String) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let count = systemWrite(descriptor, UnsafeRawBufferPointer(rebasing: rest))
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw HostFilesError.system("write the log file \(path)") }
            rest = rest.dropFirst(count)
        }
    }

    /// The file that was at `path` once, found under the name rotation gave it.
    private static func renamed(_ file: FileFacts.Identity, beside path: String) throws -> Int32? {
        guard let slash = path.lastIndex(of: "/") else { return nil }
        let directory = String(path[..<slash])
        for name in try Directories.names(directory) {
            let descriptor = systemOpen("\(directory)/\(name)", O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0)
            guard descriptor >= 0 else { continue }
            if let facts = try? FileFacts(descriptor), facts.identity == file { return descriptor }
            _ = systemClose(descriptor)
        }
        return nil
    }
}
