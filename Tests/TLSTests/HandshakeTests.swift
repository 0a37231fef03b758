import Foundation
import NIOCore
import Support
import TLS
import Testing

/// An authority, a server "localhost" and a client "alice" of the group "admins".
struct Certificates {
    let directory: String
    let authority: CertificateAuthority
    var server: TLSServerConfiguration
    var client: TLSClientConfiguration

    init(_ directory: String) throws {
        self.directory = directory
        authority = try CertificateAuthority.make(commonName: "authority", directory: directory)
        let server = try authority.issue(
            commonName: "server", names: ["localhost", "127.0.0.1"], usage: .server, directory: directory)
        let client = try authority.issue(
            commonName: "alice", organizations: ["admins"], names: ["alice.example", "10.1.2.3"], usage: .client,
            directory: directory)
        self.server = TLSServerConfiguration(
            certificateFile: server.certificateFile, keyFile: server.keyFile, clientCAFile: authority.certificateFile,
            clientCertificate: .required)
        self.client = TLSClientConfiguration(
            caFile: authority.certificateFile, certificateFile: client.certificateFile, keyFile: client.keyFile)
    }

    /// A client with another certificate.
    func client(_ files: (certificateFile: String, keyFile: String)?) -> TLSClientConfiguration {
        TLSClientConfiguration(caFile: client.caFile, certificateFile: files?.certificateFile, keyFile: files?.keyFile)
    }

    func run(serverName: String? = "localhost", payload: [UInt8] = [1, 2, 3]) async throws -> Loopback.Outcome {
        try await Loopback.run(
            server: .server(server), client: .client(client), serverName: serverName, payload: payload)
    }
}

@Suite("Handshakes") struct HandshakeTests {
    @Test("a megabyte goes both ways, and the end of each way is seen")
    func bulk() async throws {
        try await withDirectory { directory in
            let payload = (0..<(1 << 20)).map { UInt8(truncatingIfNeeded: $0 &* 31) }
            let outcome = try await Certificates(directory).run(payload: payload)
            #expect(outcome.echoed == payload)
            #expect(outcome.clientError == nil)
            #expect(outcome.serverError == nil)
        }
    }

    @Test("a client's certificate names it to the server")
    func identity() async throws {
        try await withDirectory { directory in
            let peer = try #require(try await Certificates(directory).run().serverPeer)
            #expect(peer.commonName == "alice")
            #expect(peer.organizations == ["admins"])
            #expect(peer.names == ["alice.example", "10.1.2.3"])
            let printed = try await openssl(
                "x509", "-in", directory + "/alice.crt", "-noout", "-fingerprint", "-sha256")
            #expect(printed.output.contains("="))
            #expect(printed.output.lowercased().replacing(":", with: "").contains("=" + peer.fingerprint + "\n"))
        }
    }

    @Test(
        "the server's most wanted common protocol is chosen",
        arguments: [(["h2", "http/1.1"], ["http/1.1", "h2"], "h2"), (["h2"], [], nil), ([], ["h2"], nil)]
            as [([String], [String], String?)])
    func protocols(server: [String], client: [String], chosen: String?) async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            certificates.server.applicationProtocols = server
            certificates.client.applicationProtocols = client
            let outcome = try await certificates.run()
            #expect(outcome.clientProtocol == chosen)
            #expect(outcome.echoed == [1, 2, 3])
        }
    }

    @Test("no common protocol is no connection")
    func noProtocol() async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            certificates.server.applicationProtocols = ["h2"]
            certificates.client.applicationProtocols = ["http/1.1", "h"]
            let outcome = try await certificates.run()
            #expect(outcome.echoed.isEmpty)
            #expect(outcome.serverError?.message == "the TLS handshake failed: no application protocol")
            #expect(outcome.clientError?.message.contains("the server refused") == true)
        }
    }

    @Test("clients that must not get in do not, and both sides learn why")
    func refusedClients() async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            let foreign = try CertificateAuthority.make(commonName: "foreign", directory: directory, name: "foreign")
            let old = try certificates.authority.issue(
                commonName: "old", usage: .client, directory: directory, validity: -1)
            let server = try certificates.authority.issue(commonName: "srv", usage: .server, directory: directory)
            let mallory = try foreign.issue(commonName: "alice", usage: .client, directory: directory, name: "mallory")
            let own = try SelfSignedCertificate.make(names: ["alice"], directory: directory, name: "own")
            let bob = try certificates.authority.issue(commonName: "bob", usage: .client, directory: directory)
            certificates.server.allowedNames = ["alice", "bobby"]
            for (client, reason) in [
                (nil, "the client did not return a certificate"),
                (old, "certificate has expired"), (server, "unsuitable certificate purpose"),
                (mallory, "unable to get local issuer certificate"), (own, "self-signed certificate"),
                (bob, "carries none of the names that are let in"),
            ] {
                certificates.client = certificates.client(client)
                let outcome = try await certificates.run()
                #expect(outcome.echoed.isEmpty, "\(reason)")
                #expect(outcome.serverPeer == nil)
                #expect(outcome.serverError?.code == .certificateRejected)
                #expect(outcome.serverError?.message.contains(reason) == true, "\(outcome)")
                #expect(outcome.clientError?.message.contains("the server refused") == true, "\(outcome)")
            }
        }
    }

    @Test(
        "a name that is let in may be the common or an alternative one",
        arguments: ["alice", "alice.example", "10.1.2.3"])
    func allowed(name: String) async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            certificates.server.allowedNames = ["carol", name]
            #expect(try await certificates.run().serverPeer?.commonName == "alice")
        }
    }

    @Test("an optional client certificate may be missing, but not where names are listed")
    func optional() async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            certificates.server.clientCertificate = .optional
            #expect(try await certificates.run().serverPeer?.commonName == "alice")
            certificates.client = certificates.client(nil)
            let outcome = try await certificates.run()
            #expect(outcome.echoed == [1, 2, 3])
            #expect(outcome.serverPeer == nil)
            certificates.server.allowedNames = ["alice"]
            #expect(try await certificates.run().serverError?.code == .certificateRejected)
        }
    }

    @Test("a client checks chain and name of the server")
    func server() async throws {
        try await withDirectory { directory in
            var certificates = try Certificates(directory)
            let trusted = certificates.client
            for (name, error) in [
                ("127.0.0.1", nil), (nil, nil),  // nil: the address of the connection
                ("localhost.", nil), ("server", "hostname mismatch"), ("elsewhere", "hostname mismatch"),
                ("127.0.0.2", "IP address mismatch"),
            ] as [(String?, String?)] {
                let outcome = try await certificates.run(serverName: name)
                #expect(outcome.echoed == (error == nil ? [1, 2, 3] : []), "\(name ?? "-")")
                #expect(error == nil || outcome.clientError?.message.contains(error ?? "") == true, "\(outcome)")
                #expect((outcome.clientError == nil) == (error == nil))
            }
            certificates.client.serverName = "localhost"
            #expect(
                try await certificates.run(serverName: "elsewhere").echoed == [1, 2, 3],
                "the configured name goes first")
            certificates.client = trusted
            certificates.client.caFile = try CertificateAuthority.make(
                commonName: "foreign", directory: directory, name: "foreign"
            ).certificateFile
            let outcome = try await certificates.run()
            #expect(outcome.clientError?.code == .certificateRejected)
            #expect(outcome.serverError?.message.contains("the client refused") == true)
            certificates.client.verification = .none
            #expect(try await certificates.run(serverName: "elsewhere").echoed == [1, 2, 3])
        }
    }

    @Test("a self-signed certificate is trusted as itself")
    func selfSigned() async throws {
        try await withDirectory { directory in
            let files = try SelfSignedCertificate.make(names: ["localhost", "127.0.0.1"], directory: directory)
            let outcome = try await Loopback.run(
                server: .server(.init(certificateFile: files.certificateFile, keyFile: files.keyFile)),
                client: .client(.init(caFile: files.certificateFile)), payload: [7])
            #expect(outcome.echoed == [7])
            #expect(outcome.serverPeer == nil)
        }
    }

    @Test("reload takes the files as they are now, and keeps what it had when they do not hold")
    func reload() async throws {
        try await withDirectory { directory in
            let certificates = try Certificates(directory)
            let server = try TLSContext.server(certificates.server)
            let client = try TLSContext.client(certificates.client)
            try Data("garbage".utf8).write(to: URL(filePath: certificates.server.certificateFile))
            #expect(throws: TLSError.self) { try server.reload() }
            #expect(try await Loopback.run(server: server, client: client, payload: [5]).echoed == [5])
            _ = try certificates.authority.issue(
                commonName: "server", names: ["renewed"], usage: .server, directory: directory)
            try server.reload()
            #expect(
                try await Loopback.run(server: server, client: client, serverName: "renewed", payload: [5]).echoed == [
                    5
                ])
            #expect(
                try await Loopback.run(server: server, client: client, payload: [5]).clientError?.code
                    == .certificateRejected)
        }
    }
}
