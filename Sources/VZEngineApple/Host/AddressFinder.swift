import Logging
import VZEngine

/// Finds out where one guest is, and where it goes.
struct AddressFinder: Sendable {
    /// Where it is, once that is known; not waited for longer than so.
    let first: @Sendable (Duration) async throws -> String
    /// Tells where it is from then on, every time that this changes, until the task is cancelled.
    let follow: @Sendable (_ tell: @escaping @Sendable (String) -> Void) async -> Void

    /// Somebody knows, and it stays there.
    init(_ find: @escaping AppleEngine.AddressDiscovery, _ address: String, _ interface: String?) {
        first = { _ in try await find(address, interface) }
        follow = { _ in }
    }

    /// The host is looked at.
    init(watching sources: [any AddressDiscovery], for card: HardwareAddress, logger: Logger) {
        let watch = AddressWatch(of: card, sources: sources, logger: logger)
        first = { try await watch.first(within: $0).description }
        follow = { tell in
            await withTaskGroup(of: Void.self) { group in
                group.addTask { await watch.run() }
                group.addTask { for await address in watch.changes { tell(address.description) } }
            }
        }
    }
}
