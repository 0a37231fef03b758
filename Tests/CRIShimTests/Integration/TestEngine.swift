import Docker
import Foundation
import Logging
import NIOPosix
import Sockets
import Support

/// The Docker Engine of the test run with its image made, and a look behind the shim's back.
struct TestEngine {
    let endpoint: Endpoint
    let image = DockerEngine.image
    private let client: DockerClient

    static var isPossible: Bool { DockerEngine.isAvailable }

    static func shared() async throws -> TestEngine {
        try await DockerEngine.requireImage()
        let endpoint = Endpoint.unix(path: try DockerEngine.requireSocket())
        return TestEngine(
            endpoint: endpoint,
            client: DockerClient(
                endpoint: endpoint, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test")))
    }

    /// All containers, or those of the shim whose root is in `directory`.
    func containers(ofShimIn directory: String? = nil) async throws -> [String] {
        var labels: [String] = []
        if let directory {
            let root = directory + "/root"
            let instance = try String(contentsOfFile: root + "/instance", encoding: .utf8)
            labels = ["io.vzcri.instance=\(instance.trimmingCharacters(in: .whitespacesAndNewlines))"]
        }
        return try await client.listContainers(all: true, labels: labels).map(\.id)
    }

    func createContainer(labels: [String: String]) async throws -> String {
        var request = ContainerCreateRequest(image: image)
        request.labels = labels
        return try await client.createContainer(name: "test_\(UInt64.random(in: 0...UInt64.max))", request)
    }

    func kill(_ id: String) async throws { try await client.killContainer(id, signal: "SIGKILL") }

    func remove(_ id: String) async throws { try await client.removeContainer(id, force: true, volumes: true) }
}
