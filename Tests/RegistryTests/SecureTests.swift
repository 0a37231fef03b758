import Foundation
import HTTP
import NIOCore
import NIOHTTP1
import RegistryDouble
import Support
import TLS
import Testing

@testable import Registry

/// TLS, and what must not happen without it.
@Suite struct SecureTests {
    private static let manifest = #"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"x","size":1},"layers":[]}"#

    /// A registry with a certificate for `registry.test` and loopback, and a rule that trusts it.
    private func with(
        clients: TLSServerConfiguration.ClientCertificate = .none,
        _ body: (RegistryDouble, RegistryConfiguration, CertificateAuthority, _ directory: String) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let authority = try CertificateAuthority.make(commonName: "test", directory: directory)
            let server = try authority.issue(
                commonName: "registry", names: ["registry.test", "127.0.0.1"], usage: .server, directory: directory)
            let context = try TLSContext.server(
                TLSServerConfiguration(
                    certificateFile: server.certificateFile, keyFile: server.keyFile,
                    clientCAFile: clients == .none ? nil : authority.certificateFile, clientCertificate: clients,
                    applicationProtocols: ["http/1.1"]))
            try await RegistryDouble.run(tls: context) { registry in
                registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
                var configuration = Harness.hasty
                configuration.timing.attempts = 2
                var rule = RegistryRule(host: "*")
                rule.authorities = authority.certificateFile
                configuration.rules = [rule]
                try await body(registry, configuration, authority, directory)
            }
        }
    }

    private func head(
        _ host: String, _ configuration: RegistryConfiguration, _ credentials: RegistryCredentials? = nil
    ) async throws -> Descriptor {
        try await Harness.with(configuration) { client in
            try await client.repository(ImageReference(parsing: host + "/team/app"), credentials: credentials).head(
                "v1")
        }
    }

    @Test func `a registry that wants a certificate gets the one that is configured for it`() async throws {
        try await with(clients: .required) { registry, configuration, authority, directory async throws in
            let alice = try authority.issue(commonName: "alice", usage: .client, directory: directory)
            let refused = await code { _ = try await head(registry.address, configuration) }
            #expect(refused == .unavailable || refused == .failed)
            var known = configuration
            known.rules[0].certificate = alice.certificateFile
            known.rules[0].key = alice.keyFile
            let found = try await head(registry.address, known)
            #expect(found.size == Int64(Self.manifest.utf8.count))
        }
    }

    @Test func `what is asked over TLS does not go on in the clear`() async throws {
        try await with { registry, configuration, _, _ async throws in
            registry.intercept { _ in HTTPResponse(.found, headers: ["Location": "http://registry.test/elsewhere"]) }
            #expect(await code { _ = try await head(registry.address, configuration) } == .failed)
            registry.intercept { _ in
                HTTPResponse(
                    .unauthorized, headers: ["WWW-Authenticate": #"Bearer realm="http://registry.test/token""#])
            }
            let credentials = RegistryCredentials.basic(user: "u", password: "p")
            #expect(await code { _ = try await head(registry.address, configuration, credentials) } == .failed)
        }
    }

    @Test func `a registry without TLS that is asked with it is told from one that does not answer`() async throws {
        try await RegistryDouble.run { registry in
            var configuration = Harness.hasty
            var rule = RegistryRule(host: "*")
            rule.plainHTTP = false
            configuration.rules = [rule]
            await #expect { () async throws in
                _ = try await head(registry.address, configuration)
            } throws: { ($0 as? RegistryError)?.code == .failed && "\($0)".contains("plainHTTP") }
        }
    }

    @Test func `a registry behind a proxy is reached through it, and the proxy sees no more than its name`()
        async throws
    {
        try await with { registry, configuration, _, _ async throws in
            let port = try #require(Int(registry.address.split(separator: ":")[1]))
            try await ConnectProxy.run(to: port) { proxy in
                var configuration = configuration
                configuration.proxies = try ProxyRules(environment: [
                    "HTTPS_PROXY": "http://me:secret@127.0.0.1:\(proxy.port)"
                ])
                let found = try await head("registry.test", configuration)
                #expect(found.size == Int64(Self.manifest.utf8.count))
                let asked = proxy.asked.first ?? ""
                #expect(asked.hasPrefix("CONNECT registry.test:443 HTTP/1.1"))
                #expect(asked.lowercased().contains("proxy-authorization: basic bwu6c2vjcmv0"))
            }
        }
    }

    @Test(
        "a credential helper of the named file is asked",
        arguments: [
            (#"{"credHelpers":{"registry.test:5000":"double"}}"#, "u"), (#"{"credsStore":"double"}"#, "u"),
            (#"{"credHelpers":{"registry.test:5000":"token"}}"#, nil), (#"{"credsStore":"empty"}"#, ""),
        ] as [(String, String?)])
    func helpers(file: String, user: String?) async throws {
        try await withTemporaryDirectory { directory in
            try Data(file.utf8).write(to: URL(filePath: directory + "/config.json"))
            let answers = [
                "double": #"{"ServerURL":"x","Username":"u","Secret":"p"}"#,
                "token": #"{"Username":"<token>","Secret":"refresh"}"#,
            ]
            for (name, answer) in answers {
                let script =
                    "#!/bin/sh\nread server\n[ \"$server\" = registry.test:5000 ] && [ \"$1\" = get ] || exit 3\n"
                    + "echo '\(answer)'\n"
                try Data(script.utf8).write(to: URL(filePath: "\(directory)/docker-credential-\(name)"))
            }
            try Data("#!/bin/sh\necho credentials not found in native keychain\nexit 1\n".utf8).write(
                to: URL(filePath: directory + "/docker-credential-empty"))
            for name in ["double", "token", "empty"] {
                try FileManager.default.setAttributes(
                    [.posixPermissions: 0o700], ofItemAtPath: "\(directory)/docker-credential-\(name)")
            }
            var credentials = CredentialFile(path: directory + "/config.json")
            credentials.helper = { "\(directory)/docker-credential-\($0)" }
            let found = try await credentials.credentials(registry: "registry.test:5000", repository: "team/app")
            switch user {
            case "u": #expect(found == .basic(user: "u", password: "p"))
            case nil: #expect(found == .identityToken("refresh"))
            default: #expect(found == nil)
            }
        }
    }
}
