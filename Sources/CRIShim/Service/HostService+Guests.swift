import Proto
import RPC

extension HostService {
    /// Tells which guests can be reached: all at first, then what changes.
    func registerGuests(in router: inout Router) {
        stream(HostAPI.HostService.watchGuests, in: &router) { _, writer in
            let guests = machines.guests
            let watch = guests.watchers.watch()
            defer { guests.watchers.unwatch(watch.id) }
            var told: [String: GuestStates.Guest]?
            for await _ in watch.changes {
                let now = guests.all
                for (id, guest) in now.sorted(by: { $0.key < $1.key }) where told?[id] != guest {
                    try await writer.write(Self.message(id, guest))
                }
                for (id, guest) in told ?? [:] where now[id] == nil {
                    var gone = guest
                    gone.isReachable = false
                    gone.timestamp = Timestamps.now()
                    try await writer.write(Self.message(id, gone))
                }
                if told == nil { try await writer.write(.init { $0.timestamp = Timestamps.now() }) }
                told = now
            }
        }
    }

    private static func message(_ id: String, _ guest: GuestStates.Guest) -> HostAPI.GuestState {
        .init {
            $0.containerId = id
            $0.podSandboxId = guest.sandboxID
            $0.reachable = guest.isReachable
            $0.address = guest.address
            $0.timestamp = guest.timestamp
        }
    }
}
