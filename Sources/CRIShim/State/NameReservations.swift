import Synchronization

/// Names under which something is being made right now, so that two equal requests at once do not both succeed. What
/// exists already is found in the state store.
final class NameReservations: Sendable {
    private let names = Mutex<Set<String>>([])

    /// - Parameter exists: checked while no other reservation can come between; throws when the name is taken.
    func reserve(_ name: String, what: String, unless exists: () throws -> Void) throws {
        try names.withLock { names in
            guard !names.contains(name) else {
                throw ShimError(.alreadyExists, "\(what) is being made by another call: wait for it")
            }
            try exists()
            names.insert(name)
        }
    }

    func release(_ name: String) {
        _ = names.withLock { $0.remove(name) }
    }
}
