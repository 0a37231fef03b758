import Foundation
import Logging
import NIOPosix
import Proto
import RPC
import RegistryDouble
import Sockets
import Support
import Testing

/// VM images go to a real registry and come from it, as a user and as a kubelet does it.
@Suite(.enabled(if: DockerRegistry.isAvailable, "docker-registry is not installed: scripts/deps install test"))
struct RegistryCommandTests {
    /// One host's directory and configuration.
    private struct Host {
        var root: String
        var options: [String]

        init(_ directory: String, _ name: String, _ registry: DockerRegistry) throws {
            root = "\(directory)/\(name)"
            let config = root + ".yaml"
            let text = """
                shim:
                  registries:
                    - host: \(registry.address)
                      ca: \(registry.authority ?? "")
                """
            try Data(text.utf8).write(to: URL(filePath: config))
            options = ["--root", root, "--config", config]
        }

        func run(_ arguments: [String]) async throws -> ChildProcess.Outcome {
            try await Programs.run("cri-shim", ["image"] + arguments + options)
        }
    }

    @Test func `an image goes through a private registry to another host, and its pods may have it with their secrets`()
        async throws
    {
        try await DockerRegistry.run(asks: true, tls: true) { registry in
            try await withTemporaryDirectory { directory in
                let name = "\(registry.address)/team/guest:1"
                let password = directory + "/password"
                try Data((DockerRegistry.password + "\n").utf8).write(to: URL(filePath: password))
                let login = ["--username", DockerRegistry.user, "--password-file", password]
                let (kernel, disk) = (directory + "/kernel", directory + "/disk")
                try Data("kernel".utf8).write(to: URL(filePath: kernel))
                var content = Data((0..<(5 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 2_654_435_761 >> 13) })
                content.append(Data(count: 3 << 20))
                try content.write(to: URL(filePath: disk))

                let maker = try Host(directory, "maker", registry)
                let made = try await maker.run(
                    ["import", "--name", "guest", "--kernel", kernel, "--disk", disk, "--user", "root"])
                #expect(made.code == 0, "\(made.errors)")
                let refused = try await maker.run(["push", "guest", name])
                #expect(refused.code == 1)
                #expect(refused.errors.contains("credentials"), "\(refused.errors)")
                let pushed = try await maker.run(["push", "guest", name] + login)
                #expect(pushed.code == 0, "\(pushed.errors)")
                let digest = pushed.output.split(separator: "@").last.map { $0.filter { !$0.isNewline } } ?? ""
                #expect(pushed.output == "\(registry.address)/team/guest@\(digest)\n")

                let taker = try Host(directory, "taker", registry)
                #expect(try await taker.run(["pull", name]).code == 1)
                let pulled = try await taker.run(["pull", name] + login)
                #expect(pulled.output == digest + "\n", "\(pulled.errors)")
                let disks = taker.root + "/images/disks/sha256"
                let files = try FileManager.default.contentsOfDirectory(atPath: disks)
                #expect(files.count == 1)
                #expect(try Data(contentsOf: URL(filePath: disks + "/" + (files.first ?? ""))) == content)

                try await pod(try Host(directory, "node", registry), directory, name, digest)
            }
        }
    }

    /// As a kubelet asks for it.
    private func pod(_ host: Host, _ directory: String, _ name: String, _ digest: String) async throws {
        let socket = directory + "/cri.sock"
        let daemon = try Programs.start(
            "cri-shim",
            ["serve", "--listen", "unix://\(socket)", "--docker-host", "unix://\(directory)/no-docker.sock"]
                + ["--log-level", "warning"] + host.options)
        let client = RPCClient(
            endpoint: .unix(path: socket), group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "e2e"))
        func pull(_ password: String?) async throws -> String {
            try await client.call(
                CRI.ImageService.pullImage,
                .init {
                    $0.image = .init { $0.image = name }
                    $0.auth = password.map { password in
                        .init {
                            $0.auth = Data("\(DockerRegistry.user):\(password)".utf8).base64EncodedString()
                        }
                    }
                }, timeout: .seconds(60)
            ).imageRef
        }
        do {
            try await eventually("the daemon serves", within: .seconds(60)) {
                do {
                    _ = try await client.call(CRI.RuntimeService.version, .init(), timeout: .seconds(5))
                    return true
                } catch let error as RPCError where error.code == .unavailable {
                    return false
                }
            }
            let seen = try await client.call(
                HostAPI.HostService.classifyImage,
                .init {
                    $0.image = name
                    $0.auth = .init {
                        $0.username = DockerRegistry.user
                        $0.password = DockerRegistry.password
                    }
                }, timeout: .seconds(30))
            #expect(seen.runtime == .runtimeVm)
            #expect(try await pull(DockerRegistry.password) == digest)
            for password in ["wrong", nil] {
                let error = await #expect(throws: RPCError.self) { () async throws in _ = try await pull(password) }
                #expect(error?.code == .permissionDenied)
            }
            #expect(try await pull(DockerRegistry.password) == digest)
        } catch {
            Issue.record(error)
        }
        await client.close()
        daemon.send(SIGTERM)
        _ = await daemon.wait()
    }
}
