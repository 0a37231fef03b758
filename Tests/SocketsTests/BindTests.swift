import Foundation
import NIOCore
import NIOPosix
import Testing

@testable import Sockets

@Suite struct BindTests {
    static var bootstrap: ServerBootstrap { ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton) }

    private func inDirectory(_ body: (String) async throws -> Void) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(path: "sock-\(UInt32.random(in: 0...UInt32.max))").path
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try await body(directory)
    }

    private func mode(_ path: String) throws -> Int {
        try #require(FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func connects(_ path: String) async -> Bool {
        let channel = try? await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton).connect(unixDomainSocketPath: path).get()
        try? await channel?.close()
        return channel != nil
    }

    @Test func `a socket is the owner's alone, and its directory too`() async throws {
        try await inDirectory { directory in
            let server = try await bindServer(Self.bootstrap, to: .unix(path: directory + "/a/b/s"))
            #expect(try mode(directory + "/a/b/s") == 0o600)
            #expect(try mode(directory + "/a/b") == 0o700)
            #expect(try mode(directory + "/a") == 0o700)
            #expect(await connects(directory + "/a/b/s"))
            await server.close()
            #expect(!FileManager.default.fileExists(atPath: directory + "/a/b/s"))
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/a/b") == ["s.lock"])
        }
    }

    @Test func `a group may be let in`() async throws {
        try await inDirectory { directory in
            let name = try #require(getgrgid(getgid()).map { String(cString: $0.pointee.gr_name) })
            let server = try await bindServer(Self.bootstrap, to: .unix(path: directory + "/s"), options: .init(group: name))
            #expect(try mode(directory + "/s") == 0o660)
            await server.close()
            await #expect { _ = try await bindServer(Self.bootstrap, to: .unix(path: directory + "/s"), options: .init(group: "no-such-group")) }
                throws: { "\($0)".contains("no-such-group") }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["s.lock"])
        }
    }

    @Test func `a stale socket is replaced, a live one refused`() async throws {
        try await inDirectory { directory in
            let path = directory + "/s"
            // A server that knows nothing of our lock.
            let foreign = try await Self.bootstrap.bind(unixDomainSocketPath: path).get()
            await #expect { _ = try await bindServer(Self.bootstrap, to: .unix(path: path)) }
                throws: { "\($0)".contains("another instance is running at \(path)") }
            #expect(await connects(path))
            // Killed, it leaves its file behind.
            let kept = path + ".kept"
            #expect(link(path, kept) == 0)
            try await foreign.close()
            #expect(rename(kept, path) == 0)
            let server = try await bindServer(Self.bootstrap, to: .unix(path: path))
            await #expect { _ = try await bindServer(Self.bootstrap, to: .unix(path: path)) }
                throws: { ($0 as? SocketError)?.code == .unavailable }
            #expect(await connects(path))
            await server.close()
        }
    }

    @Test func `of many that start together one wins`() async throws {
        try await inDirectory { directory in
            let servers = await withTaskGroup(of: BoundServer?.self) { group in
                for _ in 0..<16 { group.addTask { try? await bindServer(Self.bootstrap, to: .unix(path: directory + "/s")) } }
                return await group.reduce(into: [BoundServer]()) { if let server = $1 { $0.append(server) } }
            }
            #expect(servers.count == 1)
            #expect(await connects(directory + "/s"))
            for server in servers { await server.close() }
        }
    }

    @Test func `what is no socket, too long, or relative is refused and left alone`() async throws {
        try await inDirectory { directory in
            try Data("mine".utf8).write(to: URL(filePath: directory + "/file"))
            for path in [directory + "/file", directory + "/" + String(repeating: "x", count: 200), "relative", directory + "/file/s"] {
                await #expect { _ = try await bindServer(Self.bootstrap, to: .unix(path: path)) }
                    throws: { ($0 as? SocketError)?.code == .invalidArgument || "\($0)".contains("Not a directory") }
            }
            #expect(try String(contentsOfFile: directory + "/file", encoding: .utf8) == "mine")
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["file"])
        }
    }

    @Test func `a port in use is named`() async throws {
        let server = try await bindServer(Self.bootstrap, to: .tcp(host: "127.0.0.1", port: 0))
        guard case .tcp(_, let port) = server.endpoint else { Issue.record("no TCP endpoint"); return }
        #expect(port > 0)
        await #expect { _ = try await bindServer(Self.bootstrap, to: .tcp(host: "127.0.0.1", port: port)) }
            throws: { "\($0)".contains("127.0.0.1:\(port)") && ($0 as? SocketError)?.code == .unavailable }
        await server.close()
    }
}
