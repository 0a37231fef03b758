import Foundation
import NIOCore
import NIOHTTP1
import Sockets
import Support
import TLS
import Testing

@testable import HTTP

@Suite struct SecureTests {
    /// A server that knows its clients, and the certificates of both.
    private struct Files {
        let server: (certificateFile: String, keyFile: String)
        let client: (certificateFile: String, keyFile: String)
    }

    private static func run(
        _ certificate: TLSServerConfiguration.ClientCertificate,
        _ body: (Endpoint, Files, HTTPServer) async throws -> Void
    ) async throws {
        let directory = FileManager.default.temporaryDirectory.appending(
            path: "https-\(UInt32.random(in: 0...UInt32.max))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let files = Files(
            server: try SelfSignedCertificate.make(names: ["localhost"], directory: directory.path, name: "server"),
            client: try SelfSignedCertificate.make(names: ["kube-apiserver"], directory: directory.path, name: "client")
        )
        let context = try TLSContext.server(
            .init(
                certificateFile: files.server.certificateFile, keyFile: files.server.keyFile,
                clientCAFile: certificate == .none ? nil : files.client.certificateFile, clientCertificate: certificate)
        )
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0, tls: context)], logger: Harness.logger, group: Harness.group
        ) { try await Harness.route($0, Harness.Log()) }
        let endpoint = try await server.start()[0]
        do {
            try await body(endpoint, files, server)
        } catch {
            await server.drain(within: .seconds(5))
            throw error
        }
        await server.drain(within: .seconds(5))
    }

    private static func client(_ endpoint: Endpoint, _ files: Files, named: Bool) throws -> HTTPClient {
        let context = try TLSContext.client(
            .init(
                caFile: files.server.certificateFile, certificateFile: named ? files.client.certificateFile : nil,
                keyFile: named ? files.client.keyFile : nil, serverName: "localhost"))
        return HTTPClient(endpoint: endpoint, tls: context, group: Harness.group)
    }

    @Test func `requests and bodies go through TLS`() async throws {
        try await Self.run(.none) { endpoint, files, _ in
            let client = try Self.client(endpoint, files, named: false)
            let bytes = ByteBuffer(repeating: 3, count: 3 << 20)
            for _ in 0..<3 {
                let response = try await client.execute(.POST, "/echo", body: .bytes(bytes), timeout: .seconds(60))
                let body = try await response.body.collect(upTo: 64 << 20)
                #expect(body == bytes)
            }
            let peer = try await client.execute(.GET, "/peer", timeout: .seconds(60))
            let name = try await peer.body.collect(upTo: 100)
            #expect(String(buffer: name) == "nobody")
            await client.close()
        }
    }

    @Test func `a handler sees whose certificate it was`() async throws {
        try await Self.run(.required) { endpoint, files, _ in
            let client = try Self.client(endpoint, files, named: true)
            let response = try await client.execute(.GET, "/peer", timeout: .seconds(60))
            let name = try await response.body.collect(upTo: 100)
            #expect(String(buffer: name) == "kube-apiserver")
            await client.close()
            let unknown = try Self.client(endpoint, files, named: false)
            await #expect(throws: HTTPError.self) {
                _ = try await unknown.execute(.GET, "/peer", timeout: .seconds(60))
            }
            await unknown.close()
        }
    }

    @Test func `an upgrade over TLS carries bytes and half-closes both ways`() async throws {
        try await Self.run(.none) { endpoint, files, server in
            let client = try Self.client(endpoint, files, named: false)
            let (_, connection) = try await client.upgrade(.POST, "/upgrade", to: "echo", timeout: .seconds(60))
            let payload = ByteBuffer(repeating: 5, count: 3 << 20)
            async let sent: Void = {
                try await connection.write(payload)
                try await connection.closeOutput()
            }()
            let back = try await connection.inbound.collect(upTo: 64 << 20)
            try await sent
            #expect(back.readableBytes == payload.readableBytes + 1)
            await connection.close()
            try await eventually("its handler has ended") { server.runningHandlers == 0 }
        }
    }

    @Test func `a server that is not who it should be is not spoken to`() async throws {
        try await Self.run(.none) { endpoint, files, _ in
            let context = try TLSContext.client(.init(caFile: files.server.certificateFile, serverName: "elsewhere"))
            let client = HTTPClient(endpoint: endpoint, tls: context, group: Harness.group)
            await #expect { _ = try await client.execute(.GET, "/hello", timeout: .seconds(60)) } throws: {
                ($0 as? HTTPError)?.code == .unavailable
            }
            await client.close()
        }
    }

    @Test func `the certificate must be that of the host that was dialled`() async throws {
        try await Self.run(.none) { endpoint, files, _ in
            guard case .tcp(_, let port) = endpoint else { return }
            let context = try TLSContext.client(.init(caFile: files.server.certificateFile))
            let named = HTTPClient(endpoint: .tcp(host: "localhost", port: port), tls: context, group: Harness.group)
            let response = try await named.execute(.GET, "/hello", timeout: .seconds(60))
            #expect(response.status == .ok)
            await named.close()
            // The same server, by an address that its certificate does not hold.
            let other = HTTPClient(endpoint: endpoint, tls: context, group: Harness.group)
            await #expect { _ = try await other.execute(.GET, "/hello", timeout: .seconds(60)) } throws: {
                ($0 as? HTTPError)?.code == .unavailable
            }
            await other.close()
        }
    }

    @Test func `plain bytes on a TLS port end the connection`() async throws {
        try await Self.run(.none) { endpoint, _, _ in
            let socket = try await RawSocket.connect(to: endpoint)
            try await socket.write("GET /hello HTTP/1.1\r\nHost: x\r\n\r\n")
            let answer = await socket.readToEnd()
            #expect(!answer.contains("HTTP/1.1"))
        }
    }
}
