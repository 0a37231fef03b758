import Foundation
import KubeAPI
import Logging
import NIOPosix
import RPC
import Sockets
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct LogRotatorTests {
    @Test("a log that has grown is put aside, its container begins another, and the oldest go")
    func rotation() async throws {
        let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let client = RPCClient(
                    endpoint: .unix(path: node.socket), group: MultiThreadedEventLoopGroup.singleton, logger: logger)
                var mapping = MappingContext()
                mapping.logRoot = "\(node.directory)/logs"
                var rotator = LogRotator(
                    store: adapter.store, logs: LocalLogHost(), provider: CRIProvider(client: client, nodeName: "n"),
                    mapping: mapping, logger: logger)
                rotator.limits.size = 10
                rotator.limits.files = 3
                let pod = try #require(adapter.store.pod(namespace: "default", name: "web-n"))
                let directory =
                    PodMapping.logDirectory(pod, mapping) + "/" + (try #require(pod.spec.containers.first)).name
                func write(_ text: String) throws {
                    try Data(text.utf8).write(to: URL(filePath: directory + "/0.log"))
                }
                func names() throws -> [String] {
                    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
                }
                try write("not more.")
                await rotator.look()
                #expect(try names() == ["0.log"])
                for round in 1...4 {
                    try write("this is too much, \(round)")
                    await rotator.look()
                }
                let kept = try names()
                #expect(kept.count == 2 && kept.allSatisfy { $0.hasPrefix("0.log.2") })
                let last = try String(contentsOfFile: "\(directory)/\(kept.last ?? "")", encoding: .utf8)
                #expect(last == "this is too much, 4")
                #expect(node.runtime.calls["ReopenContainerLog"] == 4)
                // Nothing is there yet.
                await rotator.look()
                #expect(node.runtime.calls["ReopenContainerLog"] == 4)
                await client.close()
            }
        }
    }
}
