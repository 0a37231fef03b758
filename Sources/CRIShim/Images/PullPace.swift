import NIOCore
import Registry
import Synchronization

/// The speed of one download: limited as long as nobody waits for it but the one who brings images beforehand.
final class PullPace: Sendable {
    private struct State {
        var bucket: TokenBucket
        var hurried = 0
        var next = 0
        var sleepers: [Int: Task<Void, Never>] = [:]
    }

    private let state: Mutex<State>

    init(rate: Int64) { state = Mutex(State(bucket: TokenBucket(rate: rate, now: .now))) }

    /// Somebody needs the image now; who waits for the rate goes on at once.
    func hurry() {
        let sleepers = state.withLock { state in
            state.hurried += 1
            return state.sleepers.values
        }
        for sleeper in sleepers { sleeper.cancel() }
    }

    func relax() { state.withLock { $0.hurried -= 1 } }

    /// Counts bytes that came, and waits until more may come.
    /// - Throws: `CancellationError`.
    func pass(_ bytes: Int) async throws {
        let (id, sleeper) = state.withLock { state -> (Int, Task<Void, Never>?) in
            let wait = state.bucket.take(bytes, now: .now)
            guard state.hurried == 0, wait > .zero else { return (0, nil) }
            state.next += 1
            let sleeper = Task {
                // Cancelled by whoever hurries: then there is nothing to wait for.
                do { try await Task.sleep(for: wait) } catch {}
            }
            state.sleepers[state.next] = sleeper
            return (state.next, sleeper)
        }
        guard let sleeper else { return }
        await withTaskCancellationHandler {
            await sleeper.value
        } onCancel: {
            sleeper.cancel()
        }
        state.withLock { _ = $0.sleepers.removeValue(forKey: id) }
        try Task.checkCancellation()
    }
}

/// The paces of the downloads under way, by what is downloaded.
final class PullPaces: Sendable {
    private let rate: Int64
    private let paces = Mutex<[String: (pace: PullPace, users: Int)]>([:])

    /// - Parameter rate: bytes for each second.
    init(rate: Int64) { self.rate = rate }

    /// - Parameter isHurried: somebody waits for it.
    func running<R>(_ key: String, isHurried: Bool, _ body: (PullPace) async throws -> R) async throws -> R {
        let pace = paces.withLock { paces in
            let entry = paces[key] ?? (PullPace(rate: rate), 0)
            paces[key] = (entry.pace, entry.users + 1)
            return entry.pace
        }
        if isHurried { pace.hurry() }
        defer {
            if isHurried { pace.relax() }
            paces.withLock { paces in
                guard let entry = paces[key] else { return }
                paces[key] = entry.users > 1 ? (entry.pace, entry.users - 1) : nil
            }
        }
        return try await body(pace)
    }
}

/// A registry whose blobs come at a pace.
struct PacedSource: BlobSource {
    let source: any BlobSource
    let pace: PullPace

    func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream {
        let stream = try await source.blob(descriptor, range: range)
        return BlobStream(range: stream.range, Paced(stream: stream, pace: pace))
    }

    private struct Paced: AsyncSequence, Sendable {
        typealias Element = ByteBuffer
        let stream: BlobStream
        let pace: PullPace

        struct AsyncIterator: AsyncIteratorProtocol {
            var base: BlobStream.AsyncIterator
            let pace: PullPace

            mutating func next() async throws -> ByteBuffer? {
                let bytes = try await base.next()
                if let bytes { try await pace.pass(bytes.readableBytes) }
                return bytes
            }
        }

        func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: stream.makeAsyncIterator(), pace: pace) }
    }
}
