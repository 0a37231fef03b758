import NIOConcurrencyHelpers

/// Pods that wait for places of virtual machines, in the order they came. Only the first asks the runtime: who asks for
/// more places at once is not overtaken for ever by those who ask for less.
final class SlotQueue: Sendable {
    private struct Entry {
        var uid: String
        var turn: @Sendable () -> Void
    }

    private let queue = NIOLockedValueBox<[Entry]>([])

    /// Takes a place in the queue, or keeps it.
    /// - Parameter turn: called when the pod has become the first.
    /// - Returns: how many are before it.
    func enter(_ uid: String, turn: @escaping @Sendable () -> Void) -> Int {
        queue.withLockedValue { queue in
            if let index = queue.firstIndex(where: { $0.uid == uid }) { return index }
            queue.append(Entry(uid: uid, turn: turn))
            return queue.count - 1
        }
    }

    /// Leaves it: the pod has its places, or wants none any more.
    func leave(_ uid: String) {
        let next: Entry? = queue.withLockedValue { queue in
            guard let index = queue.firstIndex(where: { $0.uid == uid }) else { return nil }
            queue.remove(at: index)
            return index == 0 ? queue.first : nil
        }
        next?.turn()
    }

    /// The pods that wait, the first one first.
    var waiting: [String] { queue.withLockedValue { $0.map(\.uid) } }
}

/// Others are served first, or no place is free.
struct SlotWait: Error, CustomStringConvertible {
    var description: String
    /// The first in the queue looks again soon; the others are called.
    var isFirst: Bool

    /// - Parameter cause: the runtime's own words; they say how many there are.
    init(slots: Int, ahead: Int, cause: String? = nil) {
        isFirst = ahead == 0
        let places = slots == 1 ? "a place for a virtual machine" : "\(slots) places for virtual machines"
        var text = "the pod waits for \(places)"
        if ahead > 0 { text += "; \(ahead) \(ahead == 1 ? "pod is" : "pods are") before it" }
        if let cause { text += ": \(cause)" }
        description = text
    }
}
