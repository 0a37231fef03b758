import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads one log file, and the files that take its place when it is rotated, until it ends or nobody wants more.
struct LogReader: Sendable {
    let path: String
    let options: LogOptions
    let pool: NIOThreadPool
    let isRunning: @Sendable () async -> Bool
    let write: @Sendable (ByteBuffer) async throws -> Void

    private static let chunk = 128 << 10
    /// How long a wait for more lasts when no event comes.
    private static let patience: Duration = .milliseconds(100)

    func run() async throws {
        var file = try await open(isFirst: true)
        do {
            try await read(&file)
        } catch {
            await file.close(pool)
            throw error
        }
        await file.close(pool)
    }

    private func read(_ file: inout OpenLog) async throws {
        var lines = LogLines(options)
        var wasRunning = true
        while !lines.isFull {
            try Task.checkCancellation()
            let (descriptor, offset) = (file.descriptor, file.offset)
            let bytes = try await pool.runIfActive { try OpenLog.read(descriptor, offset, Self.chunk) }
            if !bytes.isEmpty {
                file.offset += Int64(bytes.count)
                var output = ByteBuffer()
                lines.convert(bytes[...], into: &output)
                if output.readableBytes > 0 { try await write(output) }
                continue
            }
            guard options.follow else { return }
            let identity = file.identity
            switch try await pool.runIfActive({ try OpenLog.change(path, descriptor, identity, offset) }) {
            case .none: break
            case .truncated:
                file.offset = 0
                lines.restart()
                continue
            case .replaced:
                // The old file may have got its last lines between the last read and its replacement.
                let last = try await pool.runIfActive { try OpenLog.read(descriptor, offset, Self.chunk) }
                if !last.isEmpty { continue }
                let new = try await open(isFirst: false)
                await file.close(pool)
                file = new
                continue
            }
            // One more look after the end: what was written before it is all there then.
            if !wasRunning { return }
            wasRunning = await isRunning()
            if wasRunning { try await Task.sleep(for: Self.patience) }
        }
    }

    private func open(isFirst: Bool) async throws -> OpenLog {
        try await pool.runIfActive {
            try OpenLog(path, tailLines: isFirst ? options.tailLines : nil)
        }
    }
}

/// A log file and how far it is read.
struct OpenLog: Sendable {
    enum Change { case none, truncated, replaced }
    struct Identity: Sendable, Hashable {
        var device: UInt64
        var inode: UInt64
    }

    let descriptor: Int32
    let identity: Identity
    var offset: Int64 = 0

    /// - Parameter tailLines: start so many lines before the end. Blocks.
    init(_ path: String, tailLines: Int?) throws {
        #if canImport(Glibc)
        descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC)
        #else
        descriptor = Darwin.open(path, O_RDONLY | O_CLOEXEC)
        #endif
        guard descriptor >= 0 else {
            if errno == ENOENT { throw AdapterError(.notFound, "there is no log \(path)") }
            throw SystemCall.failure("open log", path)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            _ = Self.systemClose(descriptor)
            throw AdapterError(.failed, "\(path) is no log file")
        }
        identity = Identity(status)
        if let tailLines { offset = try Self.tail(descriptor, size: Int64(status.st_size), lines: tailLines) }
    }

    func close(_ pool: NIOThreadPool) async {
        let descriptor = descriptor
        // A pool that is stopped ends with the process, and the descriptor with it.
        _ = try? await pool.runIfActive { Self.systemClose(descriptor) }
    }

    static func read(_ descriptor: Int32, _ offset: Int64, _ count: Int) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
            let got = pread(descriptor, buffer.baseAddress, count, off_t(offset))
            guard got >= 0 else { throw SystemCall.failure("read", "a log") }
            filled = got
        }
    }

    static func change(_ path: String, _ descriptor: Int32, _ identity: Identity, _ offset: Int64) throws -> Change {
        var now = stat()
        // Between rename and reopen there is no file: it comes.
        if stat(path, &now) == 0, Identity(now) != identity { return .replaced }
        var own = stat()
        guard fstat(descriptor, &own) == 0 else { throw SystemCall.failure("look at", path) }
        return Int64(own.st_size) < offset ? .truncated : .none
    }

    /// Where the last so many lines begin. A line that was written in parts counts once.
    private static func tail(_ descriptor: Int32, size: Int64, lines: Int) throws -> Int64 {
        if lines == 0 { return size }
        var scan = TailScan(wanted: lines)
        var end = size
        while end > 0 {
            let start = max(0, end - 64 << 10)
            let bytes = try read(descriptor, start, Int(end - start))
            if let found = scan.look(bytes[...], at: start) { return found }
            end = start
        }
        return 0
    }

    private static func systemClose(_ descriptor: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.close(descriptor)
        #else
        Darwin.close(descriptor)
        #endif
    }
}

extension OpenLog.Identity {
    init(_ status: stat) {
        device = UInt64(truncatingIfNeeded: status.st_dev)
        inode = UInt64(status.st_ino)
    }
}

/// Looks for the beginning of the last lines, block by block from the end of the file.
struct TailScan {
    private let wanted: Int
    private var found = 0
    /// Where the entry behind the block begins.
    private var next: Int64?
    /// The beginning of the entry that starts in front of the blocks seen so far.
    private var carry: [UInt8] = []

    init(wanted: Int) { self.wanted = wanted }

    /// - Returns: the offset, once it is known.
    mutating func look(_ block: ArraySlice<UInt8>, at offset: Int64) -> Int64? {
        var end = block.endIndex
        while let newline = block[..<end].lastIndex(of: 0x0A) {
            let head = Array(block[(newline + 1)..<end].prefix(80)) + (carry.prefix(80))
            carry = []
            let position = offset + Int64(newline - block.startIndex) + 1
            if let start = entry(head, at: position) { return start }
            end = newline
        }
        carry = Array((Array(block[..<end].prefix(80)) + carry).prefix(80))
        return nil
    }

    /// An entry begins at `position`. It ends a line when it is a full one; the line it ends begins with the partial
    /// entries in front of it.
    private mutating func entry(_ head: [UInt8], at position: Int64) -> Int64? {
        let fields = head.split(separator: 0x20, maxSplits: 3, omittingEmptySubsequences: false)
        guard fields.count >= 3 else { return nil }
        if fields[2].first == UInt8(ascii: "F") {
            if found == wanted { return next }
            found += 1
        }
        next = position
        return nil
    }
}
