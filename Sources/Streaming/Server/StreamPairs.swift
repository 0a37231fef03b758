import Synchronization

/// The halves of forwarded connections whose other half has not come.
final class StreamPairs: Sendable {
    enum Added {
        case complete(error: SPDYStream, data: SPDYStream)
        case half
        /// There is such a half already.
        case duplicate
    }

    private struct Half {
        let stream: SPDYStream
        let isError: Bool
    }

    private let halves = Mutex<[String: Half]>([:])

    func add(_ stream: SPDYStream, isError: Bool, id: String) -> Added {
        halves.withLock { halves in
            guard let other = halves[id] else {
                halves[id] = Half(stream: stream, isError: isError)
                return .half
            }
            guard other.isError != isError else { return .duplicate }
            halves[id] = nil
            return isError ? .complete(error: stream, data: other.stream) : .complete(error: other.stream, data: stream)
        }
    }

    /// - Returns: whether the stream was still waiting.
    func remove(_ stream: SPDYStream, id: String) -> Bool {
        halves.withLock { halves in
            guard halves[id]?.stream === stream else { return false }
            halves[id] = nil
            return true
        }
    }
}
