import HostFiles
import Logging
import NIOPosix
import RPC
import Sockets
import Support

@testable import CRIShim
@testable import VKAdapter

/// A shim in the test's process, and the adapter's side of its host service.
struct HostServer: Sendable {
    let shim: Shim
    let client: RPCClient
    let directory: String
    var logs: String { directory + "/logs" }
    /// Where the shim keeps files of pods of the node `n`.
    var files: String { directory + "/state/nodes/n" }

    func host(_ node: String = "n") -> RemoteHost { RemoteHost(client: client, nodeName: node) }

    static func with(_ body: @Sendable (HostServer) async throws -> Void) async throws {
        try await withTemporaryDirectory { given in
            let directory = try SystemFiles.realPath(given)
            var configuration = ShimConfiguration(
                listen: [.unix(path: directory + "/s")], rootDirectory: directory + "/state",
                dockerEndpoint: .unix(path: directory + "/no-engine"))
            configuration.podLogDirectory = directory + "/logs"
            let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }
            let shim = try Shim(configuration, logger: logger)
            try await shim.start()
            let running = Task { try await shim.run() }
            let client = RPCClient(
                endpoint: configuration.listen[0], group: MultiThreadedEventLoopGroup.singleton, logger: logger)
            let result: Result<Void, any Error>
            do {
                result = .success(try await body(HostServer(shim: shim, client: client, directory: directory)))
            } catch {
                result = .failure(error)
            }
            await client.close()
            running.cancel()
            _ = await running.result
            try result.get()
        }
    }
}

/// Where the files of a contract's test are.
enum Side: String, Sendable, CaseIterable {
    case local, remote
}
