import NIOConcurrencyHelpers

/// A fixed number of buffers, each for one compressed frame. Who wants one waits until it is free: that is what keeps a fast
/// network from filling the memory.
final class SlotPool: Sendable {
    /// One buffer.
    ///
    /// `@unchecked`: whoever has acquired it is the only one to touch its bytes, until it goes back to the pool, whose lock
    /// orders the two.
    final class Slot: @unchecked Sendable {
        let bytes: UnsafeMutableRawBufferPointer
        fileprivate init(_ size: Int) { bytes = .allocate(byteCount: size, alignment: 4096) }
        deinit { bytes.deallocate() }
    }

    private struct State {
        var free: [Slot] = []
        var made = 0
        var next = 0
        var waiting: [(id: Int, CheckedContinuation<Slot, any Error>)] = []
    }

    private let state = NIOLockedValueBox(State())
    private let limit: Int
    private let size: Int

    init(limit: Int, size: Int) {
        self.limit = limit
        self.size = size
    }

    /// - Throws: `CancellationError`.
    func acquire() async throws -> Slot {
        let id = state.withLockedValue { state in
            state.next += 1
            return state.next
        }
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                let slot: Slot? = state.withLockedValue { state in
                    if let slot = state.free.popLast() { return slot }
                    if state.made < limit {
                        state.made += 1
                        return Slot(size)
                    }
                    state.waiting.append((id, continuation))
                    return nil
                }
                if let slot { continuation.resume(returning: slot) } else if Task.isCancelled { cancel(id) }
            }
        } onCancel: {
            cancel(id)
        }
    }

    func release(_ slot: Slot) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<Slot, any Error>? in
            if state.waiting.isEmpty {
                state.free.append(slot)
                return nil
            }
            return state.waiting.removeFirst().1
        }
        waiter?.resume(returning: slot)
    }

    private func cancel(_ id: Int) {
        let waiter = state.withLockedValue { state -> CheckedContinuation<Slot, any Error>? in
            guard let index = state.waiting.firstIndex(where: { $0.id == id }) else { return nil }
            return state.waiting.remove(at: index).1
        }
        waiter?.resume(throwing: CancellationError())
    }
}
