import Foundation
import NIOCore
import TLS
import Testing

@Suite struct HandshakeTests {
    /// A server certificate for localhost and a client's for "alice", both their own authority.
    private func files(_ directory: String) throws -> (server: TLSServerConfiguration, client: TLSClientConfiguration) {
        let server = try SelfSignedCertificate.make(names: ["localhost", "127.0.0.1"], directory: directory, name: "server")
        let client = try SelfSignedCertificate.make(names: ["alice"], directory: directory, name: "alice")
        return (
            .init(certificateFile: server.certificateFile, keyFile: server.keyFile, clientCAFile: client.certificateFile),
            .init(caFile: server.certificateFile, certificateFile: client.certificateFile, keyFile: client.keyFile)
        )
    }

    @Test func `a megabyte goes both ways and the end of each is seen`() async throws {
        try await withDirectory { directory in
            let files = try files(directory)
            let payload = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0) }
            let outcome = try await Loopback.run(server: .server(files.server), client: .client(files.client), payload: payload)
            #expect(outcome.echoed == payload)
            #expect(outcome.serverPeer == nil)
        }
    }

    @Test(arguments: [(["h2", "http/1.1"], ["http/1.1", "h2"], "h2"), (["h2"], ["http/1.1"], nil), ([], ["h2"], nil)] as [([String], [String], String?)])
    func `the server's most wanted common protocol is chosen`(server: [String], client: [String], chosen: String?) async throws {
        try await withDirectory { directory in
            var files = try files(directory)
            files.server.applicationProtocols = server
            files.client.applicationProtocols = client
            let outcome = try await Loopback.run(server: .server(files.server), client: .client(files.client), payload: [1])
            #expect(outcome.clientProtocol == chosen)
        }
    }

    @Test func `a required client certificate is named to the server`() async throws {
        try await withDirectory { directory in
            var files = try files(directory)
            files.server.clientCertificate = .required
            files.server.allowedNames = ["alice"]
            let outcome = try await Loopback.run(server: .server(files.server), client: .client(files.client), payload: [1])
            #expect(outcome.serverPeer?.commonName == "alice")
            #expect(outcome.serverPeer?.names == ["alice"])
            #expect(outcome.serverPeer?.fingerprint.count == 64)
        }
    }

    @Test func `a client without a certificate, of another authority, or not on the list is sent away`() async throws {
        try await withDirectory { directory in
            var files = try files(directory)
            files.server.clientCertificate = .required
            var bare = files.client
            bare.certificateFile = nil
            bare.keyFile = nil
            let other = try SelfSignedCertificate.make(names: ["mallory"], directory: directory, name: "mallory")
            var mallory = files.client
            mallory.certificateFile = other.certificateFile
            mallory.keyFile = other.keyFile
            var strict = files.server
            strict.allowedNames = ["bob"]
            for (server, client, reason) in [
                (files.server, bare, "did not return a certificate"), (files.server, mallory, "does not hold"),
                (strict, files.client, "not among the names"),
            ] {
                let outcome = try? await Loopback.run(server: .server(server), client: .client(client), payload: [1])
                #expect(outcome?.echoed.isEmpty ?? true)
                // TLS 1.3 clients finish first: only the server is sure to know.
                if let error = outcome?.serverError { #expect("\(error)".contains(reason), "\(error)") }
            }
        }
    }

    @Test func `an optional client certificate may be missing`() async throws {
        try await withDirectory { directory in
            var files = try files(directory)
            files.server.clientCertificate = .optional
            files.client.certificateFile = nil
            let outcome = try await Loopback.run(server: .server(files.server), client: .client(files.client), payload: [1, 2])
            #expect(outcome.echoed == [1, 2])
            #expect(outcome.serverPeer == nil)
        }
    }

    @Test func `a client checks chain and name`() async throws {
        try await withDirectory { directory in
            let files = try files(directory)
            let server = try TLSContext.server(files.server)
            var untrusting = files.client
            untrusting.caFile = files.client.certificateFile
            await #expect { _ = try await Loopback.run(server: server, client: .client(untrusting), payload: []) }
                throws: { "\($0)".contains("certificate does not hold") }
            await #expect { _ = try await Loopback.run(server: server, client: .client(files.client), serverName: "elsewhere", payload: []) }
                throws: { "\($0)".contains("certificate does not hold") }
            let byAddress = try await Loopback.run(server: server, client: .client(files.client), serverName: "127.0.0.1", payload: [9])
            #expect(byAddress.echoed == [9])
            untrusting.verification = .none
            #expect(try await Loopback.run(server: server, client: .client(untrusting), payload: [9]).echoed == [9])
        }
    }

    @Test func `reload takes the files as they are now, and keeps the old ones when they do not hold`() async throws {
        try await withDirectory { directory in
            let files = try files(directory)
            let server = try TLSContext.server(files.server)
            try Data("garbage".utf8).write(to: URL(filePath: files.server.certificateFile))
            #expect(throws: TLSError.self) { try server.reload() }
            try FileManager.default.removeItem(atPath: files.server.certificateFile)
            let fresh = try SelfSignedCertificate.make(names: ["localhost", "renewed"], directory: directory, name: "server")
            try server.reload()
            let client = try TLSContext.client(.init(caFile: fresh.certificateFile))
            #expect(try await Loopback.run(server: server, client: client, serverName: "renewed", payload: [5]).echoed == [5])
        }
    }
}
