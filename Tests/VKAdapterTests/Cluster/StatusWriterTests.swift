import APIServer
import Foundation
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import Support
import Testing

@testable import VKAdapter

/// The status of pods on its way to the API server.
@Suite(.timeLimit(.minutes(2))) struct StatusWriterTests {
    private func pod(_ name: String) -> Pod {
        Pod {
            $0.metadata.name = name
            $0.metadata.namespace = "default"
            $0.spec.containers = [
                Container {
                    $0.name = "main"
                    $0.image = "busybox:1"
                }
            ]
        }
    }

    @Test func `a status is told once it is at the API server, not once somebody has taken it up`() async throws {
        try await APIServerDouble.with { server in
            try await server.client { client async throws in
                let writer = StatusWriter(client: client, logger: Logger(label: "test"))
                #expect(await writer.isIdle)
                var pod = try await client.create(pod("a"), as: .pods, namespace: "default")
                pod.status.phase = .failed
                writer.tell(pod, isGone: false)
                // Nobody has read it.
                #expect(await !writer.isIdle)
                try await withThrowingTaskGroup(of: Void.self) { group in
                    group.addTask { await writer.run() }
                    try await eventually("told") { await writer.isIdle }
                    let told = try server.object("pods", namespace: "default", name: "a").map { try Pod($0) }
                    #expect(told?.status.phase == .failed)
                    group.cancelAll()
                }
            }
        }
    }

    @Test func `who sees a pod in the store may know that it was passed on`() {
        let (box, waits) = (NIOLockedValueBox<PodStore?>(nil), NIOLockedValueBox(false))
        let store = PodStore { _ in
            // Somebody else looks before this is over.
            let hasLooked = DispatchSemaphore(value: 0)
            Thread.detachNewThread {
                _ = box.withLockedValue { $0 }?.uids
                hasLooked.signal()
            }
            waits.withLockedValue { $0 = hasLooked.wait(timeout: .now() + .milliseconds(200)) == .timedOut }
        }
        box.withLockedValue { $0 = store }
        store.publish(pod("a"))
        #expect(waits.withLockedValue { $0 })
        #expect(store.uids.count == 1)
    }
}
