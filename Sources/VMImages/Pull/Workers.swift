import NIOConcurrencyHelpers
import NIOCore
import NIOPosix

/// The threads that hash, compress, decompress and write; they are of one transfer, and end with it.
final class Workers: Sendable {
    /// What a thread works with, used by one thread at a time.
    final class Tools {
        let encoder: ZstdEncoder
        let decoder = ZstdDecoder()
        let hash = SHA256()
        /// Room for what a frame holds.
        let raw = UnsafeMutableRawBufferPointer.allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
        private var second: UnsafeMutableRawBufferPointer?

        init(level: Int) { encoder = ZstdEncoder(level: level) }

        deinit {
            raw.deallocate()
            second?.deallocate()
        }

        /// Room for what another frame holds; made when it is wanted.
        var base: UnsafeMutableRawBufferPointer {
            if let second { return second }
            let made = UnsafeMutableRawBufferPointer.allocate(byteCount: DiskIndex.chunkSize, alignment: 4096)
            second = made
            return made
        }
    }

    /// `@unchecked`: only the stack is in it, and what is on it is touched by nobody until it is taken from there.
    private struct Stack: @unchecked Sendable {
        var tools: [Tools] = []
    }

    let threads: Int
    private let pool: NIOThreadPool
    private let stack = NIOLockedValueBox(Stack())
    private let level: Int

    init(threads: Int = Workers.suitable, level: Int = 3) {
        self.threads = threads
        self.level = level
        pool = NIOThreadPool(numberOfThreads: threads)
        pool.start()
    }

    /// One for each processor, within reason: each has some megabytes.
    static var suitable: Int { max(2, min(8, System.coreCount)) }

    /// Runs something that blocks or computes.
    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await pool.runIfActive(body)
    }

    func run<Result: Sendable>(_ body: @escaping @Sendable (Tools) throws -> Result) async throws -> Result {
        try await pool.runIfActive { [self] in
            let tools = stack.withLockedValue { $0.tools.popLast() } ?? Tools(level: level)
            defer { stack.withLockedValue { $0.tools.append(tools) } }
            return try body(tools)
        }
    }

    /// Returns when the threads have ended.
    func stop() async throws { try await pool.shutdownGracefully() }
}
