import Foundation
import Logging
import Support
import Testing

@testable import KubeAPI

@Suite struct CredentialTests {
    private static let server = ClusterConnection.Server(host: "h", port: 1)

    private func store(_ bearer: ClusterConnection.Bearer) -> CredentialStore {
        CredentialStore(ClusterConnection(server: Self.server, bearer: bearer), logger: Logger(label: "test"))
    }

    @Test func `a token file that was replaced is read again when its token is refused`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/token"
            try Data("one\n".utf8).write(to: URL(filePath: path))
            let store = store(.tokenFile(path))
            let first = try await store.current()
            #expect(first.authorization == "Bearer one")
            try Data("two".utf8).write(to: URL(filePath: path), options: .atomic)
            await store.refused(first)
            #expect(try await store.current().authorization == "Bearer two")
            // Between the removal and the next: what is known may still do.
            try FileManager.default.removeItem(atPath: path)
            await store.refused(try await store.current())
            #expect(try await store.current().authorization == "Bearer two")
        }
    }

    @Test func `a name and password are sent as HTTP says`() async throws {
        let credentials = try await store(.basic(.init(user: "Aladdin", password: "open sesame"))).current()
        #expect(credentials.authorization == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==")
    }

    /// A plugin that counts how often it was asked.
    private func plugin(_ directory: String, _ status: String) throws -> ExecPlugin {
        let path = directory + "/plugin"
        let script = """
            #!/bin/sh
            echo x >>'\(directory)/asked'
            echo "$KUBERNETES_EXEC_INFO" >'\(directory)/question'
            count=$(wc -l <'\(directory)/asked' | tr -d ' ')
            printf '{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","status":%s}' "\(status)"
            """
        try Data(script.utf8).write(to: URL(filePath: path))
        // Not run itself: a child that is being started elsewhere may have it open for writing.
        return ExecPlugin(command: "/bin/sh", arguments: [path])
    }

    @Test func `a plugin is asked once for as long as what it gave is good`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let plugin = try plugin(directory, #"{\"token\":\"t$count\"}"#)
            let store = store(.plugin(plugin))
            async let one = store.current()
            async let two = store.current()
            let both = try await [one, two].map(\.authorization)
            #expect(both == ["Bearer t1", "Bearer t1"])
            await store.refused(try await store.current())
            #expect(try await store.current().authorization == "Bearer t2")
            let question = try Documents.json(Array(Data(contentsOf: URL(filePath: directory + "/question"))))
            #expect(question["spec"]?["interactive"]?.kind == .bool(false))
        }
    }

    @Test func `what a plugin gave is asked for anew before it ends`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let soon = Timestamp.now().advanced(by: .seconds(5)).description
            let plugin = try plugin(
                directory, #"{\"token\":\"t$count\",\"expirationTimestamp\":\""# + soon + #"\"}"#)
            let store = store(.plugin(plugin))
            _ = try await store.current()
            #expect(try await store.current().authorization == "Bearer t2")
        }
    }

    @Test func `a plugin that fails, says nonsense or is not there is an error that helps, without its secrets`()
        async throws
    {
        try await withTemporaryDirectory { directory async throws in
            func message(_ plugin: ExecPlugin) async throws -> String {
                let error = await #expect(throws: KubeAPIError.self) { () async throws in
                    _ = try await store(.plugin(plugin)).current()
                }
                return "\(try #require(error))"
            }
            var missing = ExecPlugin(command: "no-such-plugin-anywhere")
            missing.installHint = "get it from the shelf"
            #expect(try await message(missing).contains("get it from the shelf"))
            let nonsense = try await message(try plugin(directory, "secret"))
            #expect(nonsense.contains("no ExecCredential") && !nonsense.contains("secret"), "\(nonsense)")
            let half = try await message(try plugin(directory, #"{\"clientCertificateData\":\"c\"}"#))
            #expect(half.contains("without its key"), "\(half)")
        }
    }
}
