import Docker
import Foundation
import Logging
import NIOCore
import NIOPosix
import Sockets
import Support
import Testing

@testable import Doctor

@Suite("The host itself answers the doctor")
struct ThisHostTests {
    private let host = ThisHost()

    @Test("files, directories and what is not there")
    func files() async throws {
        try await withTemporaryDirectory { directory async throws in
            try Data("words".utf8).write(to: URL(filePath: directory + "/file"))
            #expect(chmod(directory + "/file", 0o640) == 0)
            #expect(await host.look(at: directory + "/file") == FileFacts(.file, mode: 0o640, owner: geteuid()))
            #expect(await host.look(at: directory)?.kind == .directory)
            #expect(await host.look(at: directory + "/none") == nil)
            #expect(await host.text(of: directory + "/file") == "words")
            #expect(await host.text(of: directory + "/none") == nil)
            #expect(await host.names(in: directory) == ["file"])
            #expect(await host.may(.read, directory + "/file"))
            #expect(await host.may(.execute, directory + "/file") == false)
            #expect(await host.nearest(directory + "/a/b/c") == directory)
            #expect(await host.space(at: directory)?.totalBytes ?? 0 > 0)
        }
    }

    @Test("a program's words, its code, and that there is none")
    func programs() async {
        #expect(
            await host.run("sh", ["-c", "echo out; echo err >&2; exit 3"])
                == .ended(code: 3, output: "out\n", errors: "err\n"))
        #expect(await host.run("vz-cri-no-such-program", []) == .missing)
    }

    @Test("ports and sockets are really tried")
    func sockets() async throws {
        let server = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .bind(host: "127.0.0.1", port: 0).get()
        let port = try #require(server.localAddress?.port)
        #expect(await host.listen(on: "127.0.0.1", port: port) == .taken)
        #expect(await host.connect(to: .tcp(host: "127.0.0.1", port: port)) == .connected)
        try await server.close()
        // What was connected there may take a moment to be gone.
        try await eventually("the port is free") { await host.listen(on: "127.0.0.1", port: port) == .free }
        #expect(await host.connect(to: .tcp(host: "127.0.0.1", port: port)) == .refused)
        #expect(await host.connect(to: .unix(path: "/tmp/vz-cri-no-such-socket")) == .absent)
    }

    @Test("cloning is tried, and leaves nothing")
    func clones() async throws {
        try await withTemporaryDirectory { directory async throws in
            let outcome = await host.tryClone(in: directory)
            if case .unknown(let why) = outcome { Issue.record("\(why)") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
            guard case .unknown = await host.tryClone(in: directory + "/none") else {
                Issue.record("a directory that is not there was tried")
                return
            }
        }
    }

    @Test("Docker that is not there is said to be so")
    func noDocker() async {
        guard case .failed = await host.docker(at: .unix(path: "/tmp/vz-cri-no-such-socket")) else {
            Issue.record("an engine answered where there is none")
            return
        }
    }
}

@Suite("The doctor asks a Docker Engine", .enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason))
struct DoctorDockerTests {
    private let host = ThisHost()

    @Test("a container sees a directory that the engine sees, and nothing is left of the try")
    func sees() async throws {
        let engine = Endpoint.unix(path: try DockerEngine.requireSocket())
        guard case .answers(let version, _) = await host.docker(at: engine) else {
            Issue.record("the engine does not answer")
            return
        }
        #expect(version.hasPrefix("Docker "))
        try await withTemporaryDirectory { directory async throws in
            #expect(await host.tryDocker(at: engine, sees: directory) == .works)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).isEmpty)
        }
        let client = DockerClient(
            endpoint: engine, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "test"))
        let names = try await client.listContainers(all: true).flatMap(\.names)
        #expect(!names.contains { $0.contains("vz-cri-doctor") })
        let images = try await client.listImages().flatMap { $0.repoTags ?? [] }
        #expect(!images.contains { $0.contains("vzcri.dev/doctor") })
        await client.close()
    }
}
