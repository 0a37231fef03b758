import APIServer
import Foundation
import KubeAPI
import Logging
import NIOPosix
import Support
import Synchronization
import TLS
import Testing

@testable import VKAdapter

/// A node's certificates from the cluster. The double keeps the requests; a test is who signs.
@Suite(.timeLimit(.minutes(2))) struct CertificateTests {
    private static let logger = Logger(label: "test")

    /// Signs every request as a cluster's controllers do, while `body` runs.
    private func signing(
        _ server: APIServerDouble, in directory: String, _ body: () async throws -> Void
    ) async throws {
        let authority = try CertificateAuthority.make(commonName: "cluster", directory: directory)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.client { client async throws in
                    while !Task.isCancelled {
                        for value in server.objects("certificatesigningrequests") {
                            var order = try CertificateSigningRequest(value)
                            guard order.status.certificate.isEmpty else { continue }
                            let isClient = order.spec.signerName == "kubernetes.io/kube-apiserver-client-kubelet"
                            order.status.pem = try authority.sign(
                                request: order.spec.pem, usage: isClient ? .client : .server)
                            order.metadata.resourceVersion = ""
                            _ = try await client.replace(order, as: .certificateSigningRequests, subresource: "status")
                        }
                        try await Task.sleep(for: .milliseconds(20))
                    }
                }
            }
            try await body()
            group.cancelAll()
        }
    }

    private func mode(_ path: String) throws -> Int {
        let facts = try FileManager.default.attributesOfItem(atPath: path)
        return (facts[.posixPermissions] as? NSNumber)?.intValue ?? 0
    }

    @Test func `a new node asks for its identity, keeps it as a kubelet does, and has it at the next start`()
        async throws
    {
        try await withTemporaryDirectory { directory in
            try await APIServerDouble.with { server in
                let pki = CertificateDirectory(path: directory + "/pki", prefix: "kubelet-client")
                let kubeconfig = directory + "/etc/kubelet.conf"
                let bootstrap = NodeBootstrap(
                    configuration: BootstrapConfiguration(
                        connection: server.connection(
                            as: .init("system:bootstrap:abc", groups: ["system:bootstrappers"])),
                        kubeconfig: kubeconfig), directory: pki, nodeName: "mac-1", retry: .milliseconds(50),
                    group: MultiThreadedEventLoopGroup.singleton, logger: Self.logger)
                try await signing(server, in: directory) {
                    let connection = try await bootstrap.run()
                    #expect(connection.certificate?.certificates == .file(pki.current))
                    #expect(connection.certificate?.key == .file(pki.current))
                }
                let order = try #require(server.objects("certificatesigningrequests").first)
                let spec = try CertificateSigningRequest(order).spec
                #expect(spec.signerName == "kubernetes.io/kube-apiserver-client-kubelet")
                #expect(spec.usages == ["digital signature", "client auth"])
                let facts = try #require(await pki.facts().facts)
                #expect(facts.commonName == "system:node:mac-1" && facts.organizations == ["system:nodes"])
                let target = try FileManager.default.destinationOfSymbolicLink(atPath: pki.current)
                #expect(target.hasPrefix("kubelet-client-20") && !target.contains("/"))
                #expect(try mode("\(pki.path)/\(target)") == 0o600 && mode(kubeconfig) == 0o600)
                let text = try String(contentsOfFile: kubeconfig, encoding: .utf8)
                #expect(!text.contains("PRIVATE KEY") && !text.contains("token"))
                // The next start asks for nothing.
                let again = try await bootstrap.run()
                #expect(again.certificate?.certificates == .file(pki.current))
                #expect(server.objects("certificatesigningrequests").count == 1)
            }
        }
    }

    @Test func `a certificate is replaced before it ends, and whoever uses it is told`() async throws {
        try await withTemporaryDirectory { directory in
            try await APIServerDouble.with { server in
                let client = KubeClient(
                    server.connection(as: .node("mac-1")), group: MultiThreadedEventLoopGroup.singleton,
                    logger: Self.logger)
                let pki = CertificateDirectory(path: directory + "/pki", prefix: "kubelet-server")
                let changes = Counter()
                // A year is nearly over as soon as the first is there.
                let offset = Counter()
                var keeper = CertificateKeeper(
                    directory: pki, purpose: .server(names: ["mac-1", "192.0.2.7"]),
                    signer: CertificateSigner(
                        client: client, nodeName: "mac-1", poll: .milliseconds(20), logger: Self.logger),
                    changed: { changes.add() },
                    now: { Timestamp.now().advanced(by: .seconds(86_400 * 330 * min(1, offset.value))) },
                    logger: Self.logger)
                keeper.look = .milliseconds(20)
                keeper.retry = .milliseconds(50)
                try await signing(server, in: directory) {
                    let task = Task { [keeper] in await keeper.run() }
                    try await eventually("the first") { changes.value == 1 }
                    let first = FileManager.default.contents(atPath: pki.current)
                    let facts = try #require(await pki.facts().facts)
                    #expect(Set(facts.names) == ["mac-1", "192.0.2.7"])
                    offset.add()
                    try await eventually("the next") { changes.value >= 2 }
                    #expect(FileManager.default.contents(atPath: pki.current) != first)
                    task.cancel()
                    await task.value
                }
                await client.shutdown()
            }
        }
    }

    @Test func `a request that is denied is said with the cluster's words`() async throws {
        try await APIServerDouble.with { server in
            try await server.client { client async throws in
                let signer = CertificateSigner(
                    client: client, nodeName: "mac-1", poll: .milliseconds(20), logger: Self.logger)
                let asking = Task { try await signer.sign(.client) }
                try await eventually("it is there") { !server.objects("certificatesigningrequests").isEmpty }
                var order = try CertificateSigningRequest(server.objects("certificatesigningrequests")[0])
                order.status.conditions = [
                    CertificateSigningRequestCondition {
                        $0.type = "Denied"
                        $0.status = "True"
                        $0.reason = "NotThisOne"
                        $0.message = "who is that"
                    }
                ]
                order.metadata.resourceVersion = ""
                _ = try await client.replace(order, as: .certificateSigningRequests, subresource: "status")
                let error = await #expect(throws: AdapterError.self) { _ = try await asking.value }
                #expect(error?.message.contains("NotThisOne who is that") == true)
            }
        }
    }

    @Test func `the time of replacement lies between 70 and 90 percent of a life`() throws {
        let request = try CertificateRequest(commonName: "system:node:n", organizations: ["system:nodes"], names: ["n"])
        try withTemporaryAuthority { authority in
            let pem = try authority.sign(request: request.request, usage: .both, validity: 10)
            let facts = try CertificateFacts(certificate: pem, key: request.key)
            #expect(facts.names == ["n"] && facts.organizations == ["system:nodes"])
            let life = facts.notAfter - facts.notBefore
            #expect((864_000...(864_000 + 7200)).contains(life))
            #expect(
                CertificateKeeper.deadline(facts, share: 0.7).nanosecondsSince1970 / 1_000_000_000 == facts.notBefore
                    + Int64(Double(life) * 0.7))
            let other = try CertificateRequest(commonName: "x")
            #expect(throws: TLSError.self) { try CertificateFacts(certificate: pem, key: other.key) }
            #expect(throws: TLSError.self) { try authority.sign(request: Array("no".utf8), usage: .client) }
        }
    }

    private func withTemporaryAuthority(_ body: (CertificateAuthority) throws -> Void) throws {
        let directory = NSTemporaryDirectory() + "authority-\(UUID().uuidString)"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try body(try CertificateAuthority.make(commonName: "cluster", directory: directory))
    }
}

private final class Counter: Sendable {
    private let box = Mutex(0)
    func add() { box.withLock { $0 += 1 } }
    var value: Int { box.withLock { $0 } }
}
