public import NIOCore
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a file descriptor delivers (a terminal, a pipe or a file), read as fast as it is consumed and no faster.
///
/// Reading waits on a thread of NIO's blocking pool, never on an event loop; cancelling the reading task ends the wait.
public struct DescriptorInput: AsyncSequence, Sendable {
    public typealias Element = ByteBuffer
    private let descriptor: CInt

    /// Does not take ownership of `descriptor`.
    public init(descriptor: CInt) { self.descriptor = descriptor }

    public func makeAsyncIterator() -> Iterator { Iterator(descriptor: descriptor) }

    public struct Iterator: AsyncIteratorProtocol {
        private let descriptor: CInt
        private var wake: WakePipe?
        private var isAtEnd = false

        init(descriptor: CInt) { self.descriptor = descriptor }

        /// The next bytes; nil at the end of the input or when the task was cancelled.
        /// - Throws: `ControlError.failed` when reading fails.
        public mutating func next() async throws -> ByteBuffer? {
            guard !isAtEnd else { return nil }
            let wake = try self.wake ?? WakePipe()
            self.wake = wake
            let descriptor = self.descriptor
            let bytes = try await withTaskCancellationHandler {
                try await NIOThreadPool.singleton.runIfActive { try Self.read(descriptor, unless: wake) }
            } onCancel: {
                wake.signal()
            }
            isAtEnd = bytes == nil
            return bytes
        }

        private static func read(_ descriptor: CInt, unless wake: WakePipe) throws -> ByteBuffer? {
            var waiting = [
                pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake.readEnd, events: Int16(POLLIN), revents: 0),
            ]
            while true {
                guard poll(&waiting, 2, -1) >= 0 || errno == EINTR else { throw failure("wait for") }
                if waiting[1].revents != 0 { return nil }
                guard waiting[0].revents != 0 else { continue }
                var buffer = ByteBufferAllocator().buffer(capacity: 16 * 1024)
                let count = buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: 16 * 1024) { space in
                    Swift.max(0, systemRead(descriptor, space))
                }
                if count > 0 { return buffer }
                if errno == EINTR || errno == EAGAIN { continue }
                // EIO is how a terminal says that it is gone.
                guard errno == 0 || errno == EIO else { throw failure("read") }
                return nil
            }
        }

        /// `read` with `errno` 0 unless it failed.
        private static func systemRead(_ descriptor: CInt, _ space: UnsafeMutableRawBufferPointer) -> Int {
            errno = 0
            #if canImport(Glibc)
            return Glibc.read(descriptor, space.baseAddress, space.count)
            #else
            return Darwin.read(descriptor, space.baseAddress, space.count)
            #endif
        }

        private static func failure(_ what: String) -> ControlError {
            ControlError(.failed, "cannot \(what) standard input: \(String(cString: strerror(errno)))")
        }
    }
}

/// A pipe whose read end becomes readable once, to end a `poll`.
private final class WakePipe: Sendable {
    let readEnd: CInt
    private let writeEnd: CInt

    init() throws {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw ControlError(.failed, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        (readEnd, writeEnd) = (ends[0], ends[1])
    }

    deinit {
        close(readEnd)
        close(writeEnd)
    }

    func signal() {
        var byte: UInt8 = 0
        _ = write(writeEnd, &byte, 1)
    }
}

/// Writes everything to a file descriptor, waiting on a thread of NIO's blocking pool when it is full.
public func descriptorSink(_ descriptor: CInt) -> ByteSink {
    { bytes in
        try await NIOThreadPool.singleton.runIfActive {
            var rest = bytes
            while rest.readableBytes > 0 {
                let count = rest.withUnsafeReadableBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count >= 0 {
                    rest.moveReaderIndex(forwardBy: count)
                } else if errno == EAGAIN {
                    var waiting = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                    _ = poll(&waiting, 1, -1)
                } else if errno != EINTR {
                    throw ControlError(.failed, "cannot write the output: \(String(cString: strerror(errno)))")
                }
            }
        }
    }
}
