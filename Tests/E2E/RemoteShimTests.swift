import Foundation
import Support
import TLS
import Testing

/// cri-shim over TCP: certificates on both sides, and one port for gRPC and streams.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct RemoteShimTests {
    @Test func `one port serves calls and streams to clients with a certificate, and to nobody else`() async throws {
        try await ShimProcess.with { local in
            let directory = local.directory
            let config = local.sandboxConfig("remote")
            let sandbox = try await local.runSandbox(config)
            _ = try await local.startContainer("main", in: sandbox, config, script: "sleep 1000")

            let authority = try CertificateAuthority.make(commonName: "test", directory: directory)
            let server = try authority.issue(
                commonName: "shim", names: ["localhost", "127.0.0.1"], usage: .server, directory: directory,
                name: "server")
            let alice = try authority.issue(
                commonName: "alice", names: [], usage: .client, directory: directory, name: "alice")
            let mallory = try authority.issue(
                commonName: "mallory", names: [], usage: .client, directory: directory, name: "mallory")
            let port = try LoopbackPort.take()

            // The same pods, now served over TCP.
            await local.stopProcess()
            try await local.start(
                adding: [
                    "--listen", "tcp://127.0.0.1:\(port)", "--tls-cert", server.certificateFile, "--tls-key",
                    server.keyFile, "--client-ca",
                    authority.certificateFile, "--client-allow", "alice",
                ])
            func ctl(_ arguments: [String], as identity: (certificateFile: String, keyFile: String)?) async throws
                -> ChildProcess.Outcome
            {
                var connection = ["--endpoint", "tcp://127.0.0.1:\(port)", "--ca", authority.certificateFile]
                if let identity { connection += ["--cert", identity.certificateFile, "--key", identity.keyFile] }
                return try await Programs.run("cri-shim", ["ctl", arguments[0]] + connection + arguments.dropFirst())
            }
            let version = try await ctl(["version"], as: alice)
            #expect(version.code == 0, "\(version.errors)")
            #expect(version.output.contains("vz-cri"))
            let exec = try await ctl(["exec", "main", "--", "sh", "-c", "echo far away; exit 9"], as: alice)
            #expect(exec.code == 9, "\(exec.errors)")
            #expect(exec.output == "far away\n")
            for identity in [mallory, nil] {
                let refused = try await ctl(["version"], as: identity)
                #expect(refused.code == 1)
                #expect(refused.output.isEmpty)
            }
            // An adapter with a certificate runs pods there.
            let node = try NodeProcess(
                local,
                runtime: [
                    "--cri", "tcp://127.0.0.1:\(port)", "--cri-tls-ca", authority.certificateFile, "--cri-tls-cert",
                    alice.certificateFile, "--cri-tls-key", alice.keyFile,
                ])
            try node.write("far.yaml", NodeProcess.manifest("far", script: "echo from afar; sleep 1000"))
            try await node.startAdapter()
            do {
                try await eventually("its log can be read") {
                    try await node.kubelet("/containerLogs/default/far-node/main").body == "from afar\n"
                }
                try node.remove("far.yaml")
                try await eventually("the pod is gone") { try await node.pods().isEmpty }
            } catch {
                await node.stopAdapter()
                throw error
            }
            await node.stopAdapter()
            // Without TLS there is nothing to be had.
            let plain = try await Programs.run(
                "cri-shim", ["ctl", "version", "--endpoint", "tcp://127.0.0.1:\(port)", "--timeout", "3"])
            #expect(plain.code == 1)
            #expect(local.errors.contains("a client was refused"))
        }
    }
}
