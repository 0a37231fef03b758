public import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What of a log is wanted.
public struct LogReadOptions: Sendable {
    /// Go on with what is written later.
    public var follow = false
    /// The last so many lines; nil for all.
    public var tail: Int?
    /// Lines from this time on, in nanoseconds since 1970.
    public var since: Int64?
    /// At most so many bytes.
    public var limitBytes: Int?
    /// Only lines of this stream; nil for both.
    public var stream: LogLine.Stream?
    /// The time before every line.
    public var timestamps = false

    public init() {}
}

/// Reads a CRI log file as a person wants it: content only, lines that were cut put together again.
public struct LogReader: Sendable {
    private let path: String
    private let options: LogReadOptions

    public init(path: String, options: LogReadOptions) {
        self.path = path
        self.options = options
    }

    /// Reads to the end of the file; with `follow` until `isFinished` says that nothing more will be written.
    /// - Parameters:
    ///   - isFinished: asked whenever the end is reached.
    ///   - write: gets what was read; suspending holds the reading back.
    /// - Throws: `HostFilesError` when the file cannot be read; what `write` throws.
    public func run(
        isFinished: @Sendable () async -> Bool = { true }, write: (ByteBuffer) async throws -> Void
    ) async throws {
        guard options.follow else { return try await read(isFinished: { true }, write: write, changed: { false }) }
        let watcher = try FileWatcher(directory: String(path[..<(path.lastIndex(of: "/") ?? path.startIndex)]))
        let (changes, change) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { sources in
            sources.addTask { for await _ in watcher { change.yield() } }
            // What ends the log may change no file.
            sources.addTask {
                while true {
                    try await Task.sleep(for: Self.beat)
                    change.yield()
                }
            }
            var iterator = changes.makeAsyncIterator()
            try await read(isFinished: isFinished, write: write, changed: { await iterator.next() != nil })
            sources.cancelAll()
        }
    }

    /// How often `isFinished` is asked when nothing is written.
    private static let beat = Duration.seconds(1)

    private func read(
        isFinished: () async -> Bool, write: (ByteBuffer) async throws -> Void, changed: () async -> Bool
    ) async throws {
        var file = try await OpenLog(path)
        defer { file.close() }
        var output = LogOutput(options)
        var offset = try await file.start(options.tail)
        var rest = ByteBuffer()
        while true {
            // Asked before reading: what was written until then is still read.
            let isLast = await isFinished()
            var bytes = try await file.read(offset)
            while bytes.readableBytes > 0 {
                offset += Int64(bytes.readableBytes)
                // What comes next is read while this is written.
                let (open, next) = (file, offset)
                async let ahead = open.read(next)
                if rest.readableBytes == 0 { rest = bytes } else { rest.writeImmutableBuffer(bytes) }
                let lines = output.take(&rest)
                rest.discardReadBytes()
                if lines.readableBytes > 0 { try await write(lines) }
                if output.isFull { return }
                bytes = try await ahead
            }
            if try await file.wasRotated() {
                // The writer has left the old file, but what it wrote since the last read is still to come.
                if try await file.size() > offset { continue }
                file.close()
                file = try await OpenLog(path)
                offset = 0
                // An entry that was torn there does not go on here.
                rest.clear()
                continue
            }
            guard !isLast, await changed() else { break }
        }
        try Task.checkCancellation()
    }
}

/// An open log file; all I/O on threads made for it.
private struct OpenLog {
    private static let chunk = 256 << 10
    private let path: String
    private let descriptor: Int32

    init(_ path: String) async throws {
        self.path = path
        descriptor = try await Self.offload {
            let descriptor = systemOpen(path, O_RDONLY | O_CLOEXEC, 0)
            guard descriptor >= 0 else { throw HostFilesError.system("open the log \(path)") }
            return descriptor
        }
    }

    func close() { _ = systemClose(descriptor) }

    func read(_ offset: Int64) async throws -> ByteBuffer {
        let descriptor = descriptor
        return try await Self.offload { ByteBuffer(bytes: try Files.read(descriptor, at: offset, count: Self.chunk)) }
    }

    func size() async throws -> Int64 {
        let descriptor = descriptor
        return try await Self.offload { try FileFacts(descriptor).size }
    }

    /// Whether another file is at the path now.
    func wasRotated() async throws -> Bool {
        let (descriptor, path) = (descriptor, path)
        return try await Self.offload {
            var status = stat()
            guard stat(path, &status) == 0 else { return false }
            let here = FileFacts.Identity(
                device: UInt64(truncatingIfNeeded: status.st_dev), inode: UInt64(status.st_ino))
            return try FileFacts(descriptor).identity != here
        }
    }

    /// Where the last `tail` lines begin. A line may be several entries.
    func start(_ tail: Int?) async throws -> Int64 {
        guard let tail else { return 0 }
        let descriptor = descriptor
        return try await Self.offload {
            let size = try FileFacts(descriptor).size
            guard tail > 0 else { return size }
            var lines = 0
            var end = size
            var after = [UInt8]()
            while end > 0 {
                let begin = max(0, end - Int64(Self.chunk))
                let block = try Files.read(descriptor, at: begin, count: Int(end - begin))
                // Entry starts in this block, from the last; each is judged with the bytes behind it.
                let joined = block + after.prefix(64)
                for index in block.indices.reversed()
                where index == 0 ? begin == 0 : block[index - 1] == UInt8(ascii: "\n") {
                    guard begin + Int64(index) < size, Self.isFull(joined[index...]) else { continue }
                    lines += 1
                    // One more: its partial entries stand before it.
                    if lines > tail { return Self.next(joined, after: index, base: begin) }
                }
                after = block
                end = begin
            }
            return 0
        }
    }

    private static func isFull(_ entry: ArraySlice<UInt8>) -> Bool {
        let fields = entry.prefix(64).split(separator: UInt8(ascii: " "), maxSplits: 3)
        return fields.count >= 3 && fields[2].first == UInt8(ascii: "F")
    }

    private static func next(_ bytes: [UInt8], after index: Int, base: Int64) -> Int64 {
        let newline = bytes[index...].firstIndex(of: UInt8(ascii: "\n")) ?? bytes.endIndex - 1
        return base + Int64(newline) + 1
    }

    private static func offload<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await NIOThreadPool.singleton.runIfActive(body)
    }
}
