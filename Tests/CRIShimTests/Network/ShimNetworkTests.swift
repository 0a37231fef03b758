import Foundation
import Processes
import Proto
import RPC
import Support
import Testing

@testable import CRIShim

/// Pods' networks as callers of the CRI see them.
@Suite(
    .serialized, .enabled(if: NetworkHarness.isPossible, NetworkHarness.skipReason),
    .enabled(if: TestEngine.isPossible, DockerEngine.skipReason))
struct ShimNetworkTests {
    @Test func `a container joins a pod of the handler vm, and a restart changes nothing`() async throws {
        let engine = try await TestEngine.shared()
        let directory = "/tmp/vzcri-\(Identifiers.hex(8))"
        let state: @Sendable (inout ShimConfiguration) -> Void = { $0.stateDirectory = directory + "/state" }
        let made = Made()
        try await ShimHarness.with(docker: engine.endpoint, directory: directory, keep: true, configure: state) {
            shim in
            let config = shim.sandboxConfig("mixed")
            made.sandbox = try await shim.runSandbox(config, handler: "vm")
            let before = try await shim.sandboxStatus(made.sandbox)
            #expect(before.state == .sandboxReady)
            made.address = try #require(before.network).ip
            #expect(try await engine.containers(ofShimIn: directory).isEmpty, "no container holds it")
            made.container = try await shim.create(
                "main", in: made.sandbox, config, image: engine.image,
                script: "while true; do echo hello | nc -l -p 7000; done")
            try await shim.start(made.container)
            try await eventually("the container answers at the pod's address") {
                (try? await Peer.greeting(from: made.address, 7000, in: nil)) == "hello\n"
            }
            #expect(try await shim.sandboxStatus(made.sandbox).network?.ip == made.address)
        }
        try await ShimHarness.with(docker: engine.endpoint, directory: directory, configure: state) { shim in
            let after = try await shim.sandboxStatus(made.sandbox)
            #expect(after.state == .sandboxReady)
            #expect(after.network?.ip == made.address)
            try await eventually("the container still answers") {
                (try? await Peer.greeting(from: made.address, 7000, in: nil)) == "hello\n"
            }
            let _: CRI.StopPodSandboxResponse = try await shim.call(CRI.RuntimeService.stopPodSandbox) {
                $0.podSandboxId = made.sandbox
            }
            #expect(try await shim.sandboxStatus(made.sandbox).state == .sandboxNotready)
            let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8)
            #expect(!mounts.contains(directory + "/state/netns"))
            #expect(try RootDirectory.entries(of: shim.configuration.rootDirectory + "/network/pods") == [])
        }
    }

    @Test func `with CNI plugins, pods of containers are connected by them`() async throws {
        let engine = try await TestEngine.shared()
        try await CNIFixture.with { directory, settings in
            try await ShimHarness.with(
                docker: engine.endpoint,
                configure: {
                    $0.stateDirectory = directory + "/state"
                    $0.cniConfDirectory = settings.cniConfDir
                    $0.cniBinDirectory = settings.cniBinDir
                }
            ) { shim in
                let config = shim.sandboxConfig { $0.hostname = "named" }
                let sandbox = try await shim.runSandbox(config, handler: "docker")
                #expect(try await shim.sandboxStatus(sandbox).network?.ip == "10.66.0.9")
                let container = try await shim.create(
                    "main", in: sandbox, config, image: engine.image, script: "exec sleep 1000")
                try await shim.start(container)
                let inside = String(
                    decoding: try await shim.exec(container, "readlink", "/proc/self/ns/net").stdout, as: UTF8.self)
                let namespace = try await NetworkNamespace.run(in: directory + "/state/netns/" + sandbox) {
                    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
                }
                #expect(inside == namespace + "\n")
                let hosts = String(
                    decoding: try await shim.exec(container, "cat", "/etc/hosts").stdout, as: UTF8.self)
                let own = hosts.split(separator: "\n").filter { $0.hasSuffix("\t" + config.hostname) }.map(String.init)
                #expect(own == ["10.66.0.9\t" + config.hostname], "the pod knows itself by its name")
                // One on the host's network is none of the plugins'.
                let host = try await shim.runSandbox(
                    shim.sandboxConfig("host") {
                        $0.linux = .init { linux in
                            linux.securityContext = .init { security in
                                security.namespaceOptions = .init { $0.network = .node }
                            }
                        }
                    }, handler: "docker")
                #expect(try await shim.sandboxStatus(host).state == .sandboxReady)
                try await shim.removeEverything()
                let verbs = try CNIFixture.calls(directory).map { $0[0].prefix { $0 != " " } }
                #expect(verbs == ["ADD", "ADD", "DEL", "DEL"])
            }
        }
    }

    @Test func `nothing is left of a pod that its plugins cannot connect`() async throws {
        let engine = try await TestEngine.shared()
        try await CNIFixture.with { directory, settings in
            try Data().write(to: URL(filePath: directory + "/fail"))
            try await ShimHarness.with(
                docker: engine.endpoint, directory: directory + "/shim",
                configure: {
                    $0.stateDirectory = directory + "/state"
                    $0.cniConfDirectory = settings.cniConfDir
                    $0.cniBinDirectory = settings.cniBinDir
                }
            ) { shim async throws in
                let refusal = await #expect(throws: RPCError.self) { () async throws in
                    _ = try await shim.runSandbox(shim.sandboxConfig(), handler: "docker")
                }
                #expect(refusal?.message.contains("try again") == true)
                #expect(try await engine.containers(ofShimIn: directory + "/shim").isEmpty)
                #expect(try RootDirectory.entries(of: directory + "/state/netns").isEmpty)
                #expect(try RootDirectory.entries(of: shim.configuration.rootDirectory + "/network/pods").isEmpty)
            }
        }
    }

    private final class Made: @unchecked Sendable {  // one closure writes, a later one reads
        var sandbox = ""
        var container = ""
        var address = ""
    }
}
