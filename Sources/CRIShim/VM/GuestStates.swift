import Synchronization

/// Which guests can be reached, for those who watch it.
final class GuestStates: Sendable {
    struct Guest: Sendable, Hashable {
        var sandboxID: String
        var isReachable = false
        var address = ""
        /// When it became so, in nanoseconds since 1970.
        var timestamp: Int64 = 0
    }

    let watchers = Watchers()
    private let guests = Mutex<[String: Guest]>([:])

    /// By container.
    var all: [String: Guest] { guests.withLock { $0 } }

    func note(_ container: String, sandbox: String, isReachable: Bool, address: String) {
        change { guests in
            let before = guests[container]
            guard before?.isReachable != isReachable || before?.address != address else { return }
            guests[container] = Guest(
                sandboxID: sandbox, isReachable: isReachable, address: address, timestamp: Timestamps.now())
        }
    }

    /// Its machine has ended.
    func forget(_ container: String) { change { $0[container] = nil } }

    private func change(_ change: (inout [String: Guest]) -> Void) {
        let isNew = guests.withLock { guests in
            let before = guests
            change(&guests)
            return guests != before
        }
        if isNew { watchers.tell() }
    }
}
