import Logging
import Synchronization
import VZEngine

/// Where the guest is, when its network decides that.
extension Supervisor {
    /// Goes up with every move.
    var placeNumber: Int { parts.withLock { $0.moves } }

    /// Makes the channel to where the guest is.
    /// - Parameter isMove: it was elsewhere before. What was first known may come to us later than that.
    func place(_ address: GuestAddress, isMove: Bool) throws {
        let guest = try surroundings.guest(address)
        let moved: AsyncStream<String>.Continuation? = parts.withLock { parts in
            guard isMove || parts.guest == nil else { return nil }
            // Its command may still speak to us from there: some guests keep an address for a while.
            if let former = parts.guest { parts.formerGuests.append(former) }
            parts.guest = guest
            if isMove { parts.moves += 1 }
            parts.peerPorts = []
            board.update { $0.address = address }
            return parts.moved
        }
        moved?.yield("it has moved to \(address.host)")
    }

    func guestMoved(to address: GuestAddress) {
        logger.notice(
            "the guest's address has changed",
            metadata: ["from": "\(board.status.address?.host ?? "")", "to": "\(address.host)"])
        do {
            try place(address, isMove: true)
        } catch {
            logger.error("the guest's new address is not followed", metadata: ["error": "\(error)"])
        }
    }

    /// Returns why, when the guest cannot be reached any more as it was.
    func untilLost(_ watch: BootWatch, orMovedFrom place: Int) async -> String {
        let (reasons, reason) = AsyncStream.makeStream(of: String.self)
        let losing = Task { _ = reason.yield(await watch.untilLost()) }
        let hasMoved = parts.withLock { parts in
            parts.moved = reason
            return parts.moves != place
        }
        if hasMoved { return "it has moved" }
        for await reason in reasons { return reason }
        // The task is cancelled: then the watch ends in the guest as well.
        losing.cancel()
        await losing.value
        return "the machine has ended"
    }
}
