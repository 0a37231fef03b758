import Proto
import RPC

extension CRIService {
    func registerEvents(in router: inout Router) {
        router.handle(CRI.RuntimeService.getContainerEvents) { _, _, writer in
            let subscription = store.subscribe()
            defer { store.unsubscribe(subscription) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await event in subscription.events { try await writer.write(event) }
                }
                // A reader that is too slow sits in a write: cancelling the group ends it.
                group.addTask {
                    for await _ in subscription.overflow {
                        throw RPCError(
                            .resourceExhausted,
                            "this reader of GetContainerEvents fell \(EventSubscriber.capacity) events behind and was let "
                                + "go: list the containers again and reconnect")
                    }
                }
                defer { group.cancelAll() }
                while try await group.next() != nil {}
            }
        }
    }
}
