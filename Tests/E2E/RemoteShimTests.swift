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
                    authority.certificateFile, "--client-allow", "alice", "--pod-logs", directory + "/far-logs",
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
            try FileManager.default.createDirectory(atPath: directory + "/given", withIntermediateDirectories: true)
            try Data("given\n".utf8).write(to: URL(filePath: directory + "/given/file"))
            try node.write(
                "far.yaml",
                NodeProcess.manifest(
                    "far",
                    script:
                        "echo from afar; cat /given/file; echo kept > /scratch/file; echo ended > /dev/termination-log; "
                        + "if [ -e /whole/again ]; then sleep 1000; fi; touch /whole/again; exit 3",
                    extra: """
                              volumeMounts:
                                - {name: scratch, mountPath: /scratch, subPath: a/b}
                                - {name: scratch, mountPath: /whole}
                                - {name: given, mountPath: /given, readOnly: true}
                          volumes:
                            - {name: scratch, emptyDir: {}}
                            - {name: given, hostPath: {path: \(directory)/given, type: Directory}}
                        """))
            try await node.startAdapter()
            do {
                try await eventually("its log can be read") {
                    try await node.kubelet("/containerLogs/default/far-node/main").body == "from afar\ngiven\n"
                }
                // It came back after its first end, whose last words and log are told of from afar.
                try await eventually("its first run is told of") {
                    let status = try await node.pods().first?.container
                    let last = status?.lastState?.terminated
                    return status?.state?.running != nil && last?.exitCode == 3 && last?.message == "ended\n"
                }
                let before = try await node.kubelet("/containerLogs/default/far-node/main?previous=true&tailLines=1")
                #expect(before.body == "given\n")
                // Everything of it is on the shim's side, and nothing on the adapter's.
                let far = directory + "/state/nodes/node/pods"
                let uid = try #require(try FileManager.default.contentsOfDirectory(atPath: far).first)
                let scratch = "\(far)/\(uid)/volumes/kubernetes.io~empty-dir/scratch"
                #expect(try String(contentsOfFile: scratch + "/a/b/file", encoding: .utf8) == "kept\n")
                #expect(!FileManager.default.fileExists(atPath: directory + "/adapter/pods"))
                #expect(!FileManager.default.fileExists(atPath: directory + "/podlogs"))
                #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/far-logs").count == 1)
                // A log that grows is rotated there, and goes on.
                try node.write(
                    "loud.yaml",
                    NodeProcess.manifest(
                        "loud",
                        script: "head -c 11000000 /dev/zero | tr '\\\\0' x | fold -w 1000; echo; "
                            + "while true; do echo on; sleep 1; done"))
                try await eventually("its log is rotated", within: .seconds(60)) {
                    let logs = try FileManager.default.subpathsOfDirectory(atPath: directory + "/far-logs")
                    return logs.contains { $0.contains("/0.log.2") }
                }
                try await eventually("it goes on in a new one") {
                    try await node.kubelet("/containerLogs/default/loud-node/main?tailLines=1").body == "on\n"
                }
                try node.remove("loud.yaml")
                try node.remove("far.yaml")
                try await eventually("the pod is gone") { try await node.pods().isEmpty }
                try await eventually("its files and logs are gone") {
                    try FileManager.default.contentsOfDirectory(atPath: far).isEmpty
                        && FileManager.default.contentsOfDirectory(atPath: directory + "/far-logs").isEmpty
                }
                #expect(FileManager.default.fileExists(atPath: directory + "/given/file"))
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
