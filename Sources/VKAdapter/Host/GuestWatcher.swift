import Logging
import Proto
import RPC

/// Hears from the runtime's host which machines can be reached.
struct GuestWatcher: Sendable {
    let client: RPCClient
    let book: GuestBook
    /// Called when something changed.
    let changed: @Sendable () -> Void
    var retry: Duration = .milliseconds(500)
    /// Between tries of a runtime that does not tell: another may take its place.
    var patience: Duration = .seconds(60)
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        var delay = retry
        while !Task.isCancelled {
            do {
                try await follow()
                delay = retry
            } catch let error as RPCError where error.code == .unimplemented {
                book.isNotServed()
                changed()
                delay = patience
            } catch {
                if Task.isCancelled { return }
                logger.debug("nobody tells of machines now, trying on: \(error)")
                delay = min(max(delay * 2, retry), .seconds(5))
            }
            do { try await Task.sleep(for: delay) } catch { return }
        }
    }

    private func follow() async throws {
        // Until all were told of, what was known before holds.
        var first: [String: Bool]? = [:]
        for try await guest in try client.stream(HostAPI.HostService.watchGuests, .init()) {
            if guest.containerId.isEmpty {
                if let all = first, book.replace(all) { changed() }
                first = nil
            } else if first != nil {
                first?[guest.containerId] = guest.reachable
            } else if book.note(guest.containerId, isReachable: guest.reachable) {
                changed()
            }
        }
    }
}
