import APIServer
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

    @Test func `who sees a pod in the store may know that it was passed on`() async {
        let passed = NIOLockedValueBox(0)
        let store = PodStore { _ in passed.withLockedValue { $0 += 1 } }
        await withTaskGroup(of: Void.self) { group in
            for round in 0..<200 {
                var pod = pod("a")
                pod.metadata.uid = "\(round)"
                group.addTask { [pod] in store.publish(pod) }
            }
            group.addTask {
                var seen = 0
                while seen < 200 {
                    seen = store.uids.count
                    #expect(passed.withLockedValue { $0 } >= seen)
                    await Task.yield()
                }
            }
        }
    }
}
