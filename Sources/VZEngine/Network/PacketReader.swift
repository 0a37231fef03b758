import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads messages from a socket of the system's as they arrive, on no thread of its own.
enum PacketReader {
    /// Until the task is cancelled. The descriptor is closed then.
    ///
    /// - Parameters:
    ///   - isStream: it has an end, at which this returns.
    ///   - prepare: is called once it is being read.
    ///   - lost: the system had no room for messages.
    /// - Throws: `VZEngineError` when the socket fails.
    static func run(
        _ socket: Descriptor, what: String, isStream: Bool = false, prepare: () throws -> Void = {},
        lost: @escaping @Sendable () -> Void = {}, _ body: @escaping @Sendable (ArraySlice<UInt8>) -> Void
    ) async throws {
        let number = socket.number
        let failure = Mutex<VZEngineError?>(nil)
        // What is called back may end what calls it; only one thread at a time has the source in its hands.
        let source = Mutex<any DispatchSourceRead>(
            DispatchSource.makeReadSource(fileDescriptor: number, queue: DispatchQueue(label: what)))
        let read: @Sendable () -> Void = {
            var buffer = [UInt8](repeating: 0, count: 32768)
            while true {
                let count = recv(number, &buffer, buffer.count, dontWait)
                if count > 0 {
                    body(buffer[..<count])
                    continue
                }
                if count == 0, isStream { return source.withLock { $0.cancel() } }
                switch count == 0 ? EAGAIN : errno {
                case EINTR: continue
                case EAGAIN: return
                case ENOBUFS: lost()
                default:
                    let error = VZEngineError.system("read \(what)")
                    failure.withLock { $0 = error }
                    return source.withLock { $0.cancel() }
                }
            }
        }
        await withTaskCancellationHandler {
            await withCheckedContinuation { continuation in
                source.withLock { source in
                    source.setEventHandler(handler: read)
                    source.setCancelHandler { continuation.resume() }
                    source.activate()
                }
                do {
                    try prepare()
                } catch {
                    failure.withLock { $0 = error as? VZEngineError ?? VZEngineError(.failed, what, cause: error) }
                    source.withLock { $0.cancel() }
                }
            }
        } onCancel: {
            source.withLock { $0.cancel() }
        }
        socket.close()
        if let error = failure.withLock({ $0 }) { throw error }
    }
}

#if canImport(Glibc)
private let dontWait = Int32(MSG_DONTWAIT)
#else
private let dontWait = MSG_DONTWAIT
#endif
