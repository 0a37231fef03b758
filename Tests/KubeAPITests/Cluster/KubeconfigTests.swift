import Foundation
import Support
import Testing

@testable import KubeAPI

@Suite struct KubeconfigTests {
    private static let base = """
        apiVersion: v1
        kind: Config
        current-context: here
        contexts:
        - {name: here, context: {cluster: one, user: me, namespace: mine}}
        - {name: there, context: {cluster: two, user: ""}}
        clusters:
        - name: one
          cluster: {server: "https://api.example:6443/k8s/", certificate-authority: pki/ca.crt}
        - name: two
          cluster: {server: "http://[::1]:8080", insecure-skip-tls-verify: true}
        """

    private func load(_ text: String, context: String? = nil) async throws -> ClusterConnection {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/config"
            try Data(text.utf8).write(to: URL(filePath: path))
            var connection = try KubeconfigLoader(paths: path, context: context).load()
            // What is beside the file, wherever that is.
            if case .authorities(.file(let file)) = connection.trust {
                connection.trust = .authorities(.file(file.replacing(directory, with: "DIR")))
            }
            if case .tokenFile(let file) = connection.bearer {
                connection.bearer = .tokenFile(file.replacing(directory, with: "DIR"))
            }
            return connection
        }
    }

    private func refusal(_ text: String) async throws -> String {
        let error = await #expect(throws: KubeAPIError.self) { () async throws in _ = try await load(text) }
        return "\(try #require(error))"
    }

    @Test func `a context says which cluster, user and namespace are meant`() async throws {
        let here = try await load(Self.base + "\nusers: [{name: me, user: {token: secret}}]")
        #expect(here.server == .init(host: "api.example", port: 6443, path: "/k8s"))
        #expect(here.trust == .authorities(.file("DIR/pki/ca.crt")))
        #expect(here.bearer == .token("secret") && here.namespace == "mine")
        let there = try await load(Self.base, context: "there")
        #expect(there.server.description == "http://[::1]:8080" && !there.server.isEncrypted)
        #expect(there.trust == .anybody && there.bearer == nil && there.namespace == "default")
    }

    @Test(arguments: [
        ("{tokenFile: run/token, token: older}", ClusterConnection.Bearer.tokenFile("DIR/run/token")),
        ("{username: u, password: 'p:q'}", .basic(.init(user: "u", password: "p:q"))),
        (
            "{exec: {apiVersion: client.authentication.k8s.io/v1, command: get-token, args: [a], env: [{name: A, value: b}], interactiveMode: Never}}",
            .plugin(
                ExecPlugin(command: "get-token", arguments: ["a"], environment: ["A": "b"]))
        ),
    ])
    func `every way to say who one is`(user: String, bearer: ClusterConnection.Bearer) async throws {
        let connection = try await load(Self.base + "\nusers: [{name: me, user: \(user)}]")
        #expect(connection.bearer == bearer)
    }

    @Test func `certificates stand in the file or beside it, and what stands in it counts`() async throws {
        let user = "{client-certificate-data: Q0VSVA==, client-certificate: x, client-key: /abs/key}"
        let connection = try await load(Self.base + "\nusers: [{name: me, user: \(user)}]")
        #expect(connection.certificate == .init(certificates: .bytes(Array("CERT".utf8)), key: .file("/abs/key")))
    }

    @Test(arguments: [
        ("http://proxy:3128", ClusterConnection.Proxy(kind: .http, host: "proxy", port: 3128)),
        (
            "http://me:pass%40word@proxy",
            .init(kind: .http, host: "proxy", port: 80, login: .init(user: "me", password: "pass@word"))
        ),
        ("socks5://127.0.0.1", .init(kind: .socks, host: "127.0.0.1", port: 1080)),
    ])
    func `a proxy is an address`(text: String, proxy: ClusterConnection.Proxy) throws {
        #expect(try KubeconfigLoader.proxy(text, file: "f") == proxy)
    }

    @Test(arguments: [
        (
            "users: [{name: me, user: {token: a, exec: {apiVersion: client.authentication.k8s.io/v1, command: c}}}]",
            "exec and a token"
        ),
        (
            "users: [{name: me, user: {exec: {apiVersion: client.authentication.k8s.io/v1alpha1, command: c}}}]",
            "v1alpha1"
        ),
        (
            "users: [{name: me, user: {exec: {apiVersion: client.authentication.k8s.io/v1, command: c, interactiveMode: Always}}}]",
            "no terminal"
        ),
        ("users: [{name: me, user: {auth-provider: {name: gcp}}}]", "auth-provider"),
        ("users: [{name: me, user: {client-key: k}}]", "one is missing"),
        ("users: [{name: me, user: {client-certificate-data: '%', client-key: k}}]", "no base64"),
        ("users: [{name: me, user: {token: [a]}}]", "users[0].user.token"),
        ("users: []", "\"me\" that is not there"),
    ])
    func `what cannot be meant is refused with the reason and the file`(users: String, reason: String) async throws {
        let message = try await refusal(Self.base + "\n" + users)
        #expect(message.contains(reason) && message.contains("/config"), "\(message)")
        #expect(!message.contains("secret"))
    }

    @Test func `of several files the first that has an entry counts`() async throws {
        try await withTemporaryDirectory { directory async throws in
            try Data("current-context: there".utf8).write(to: URL(filePath: directory + "/a"))
            try Data(Self.base.utf8).write(to: URL(filePath: directory + "/b"))
            let connection = try KubeconfigLoader(paths: "\(directory)/none:\(directory)/a:\(directory)/b").load()
            #expect(connection.server.port == 8080)
            #expect(throws: KubeAPIError.self) { try KubeconfigLoader(paths: directory + "/none").load() }
        }
    }

    @Test func `a pod finds its cluster in itself`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let environment = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "443"]
            #expect(try InCluster.connection(environment: [:], directory: directory) == nil)
            #expect(throws: KubeAPIError.self) {
                try InCluster.connection(environment: environment, directory: directory)
            }
            for (name, text) in [("token", "t"), ("ca.crt", "c"), ("namespace", "ours\n")] {
                try Data(text.utf8).write(to: URL(filePath: "\(directory)/\(name)"))
            }
            let connection = try #require(try InCluster.connection(environment: environment, directory: directory))
            #expect(connection.server.description == "https://[fd00::1]:443" && connection.namespace == "ours")
            #expect(connection.bearer == .tokenFile(directory + "/token"))
            #expect(connection.trust == .authorities(.file(directory + "/ca.crt")))
        }
    }
}
