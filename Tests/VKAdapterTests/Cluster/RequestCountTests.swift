import APIServer
import KubeAPI
import Support
import Synchronization
import Testing

@testable import VKAdapter

/// What the API server is asked for one pod, from its making to its end.
@Suite(.timeLimit(.minutes(2))) struct RequestCountTests {
    /// What a kubelet 1.36 asks for the same pod: it gets a pod before each of its status patches, of which it makes three
    /// until the pod is ready and three when it ends, lists and watches each object, and tells of an image that is there,
    /// a container made, started and killed.
    private static let kubelet = [
        "GET pods": 6, "PATCH pods/status": 6, "DELETE pods": 1, "GET configmaps": 2, "GET secrets": 2,
        "POST serviceaccounts/token": 1, "POST events": 4, "PATCH events": 0,
    ]

    private static let pod = """
        {"kind":"Pod","apiVersion":"v1","metadata":{"name":"web","namespace":"default"},"spec":{"nodeName":"n",
        "serviceAccountName":"default","terminationGracePeriodSeconds":5,
        "containers":[{"name":"web","image":"busybox:1","env":[{"name":"KEY","valueFrom":{"secretKeyRef":{"name":"s","key":"k"}}}],
        "volumeMounts":[{"name":"map","mountPath":"/map"},{"name":"token","mountPath":"/token"}]}],
        "volumes":[{"name":"map","configMap":{"name":"m"}},
        {"name":"token","projected":{"sources":[{"serviceAccountToken":{"path":"token"}},{"configMap":{"name":"m"}}]}}]}}
        """

    private func put(_ server: APIServerDouble, _ plural: String, _ text: String) throws {
        server.put(try Documents.json(Array(text.utf8)), as: plural)
    }

    @Test func `no pod costs an API server more requests than it would with a kubelet`() async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                try put(
                    server, "configmaps",
                    #"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m","namespace":"default"},"data":{"a":"b"}}"#
                )
                try put(
                    server, "secrets",
                    #"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"s","namespace":"default"},"data":{"k":"aGlkZGVu"}}"#
                )
                try put(
                    server, "serviceaccounts",
                    #"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default","namespace":"default"}}"#)
                try await node.running(in: server) { _ in
                    try await eventually("pods and services are watched") {
                        let watched = server.asked.filter { $0.target.contains("watch=true") }
                        return watched.contains { $0.target.contains("/pods?") }
                            && watched.contains { $0.target.contains("/services?") }
                    }
                    let told = Mutex<[String]>([])
                    server.observe { seen in
                        guard seen.plural == "pods", let status = seen.object?["status"] else { return }
                        told.withLock { $0.append(String(decoding: status.jsonBytes(), as: UTF8.self)) }
                    }
                    server.forgetAsked()
                    let made = try await server.client { client async throws in
                        try await client.create(
                            try Pod(try Documents.json(Array(Self.pod.utf8))), as: .pods, namespace: "default")
                    }
                    func seen() throws -> Pod? {
                        try server.object("pods", namespace: "default", name: "web").map { try Pod($0) }
                    }
                    try await eventually("ready") { try seen()?.status.condition(.ready)?.status == "True" }
                    #expect(made.metadata.uid == (try seen()?.metadata.uid))
                    try await server.client { client async throws in
                        try await client.delete(.pods, namespace: "default", name: "web")
                    }
                    try await eventually("gone") { try seen() == nil }
                    try await eventually("its end is told") {
                        server.objects("events").contains { $0["reason"]?.string == "Killing" }
                    }
                    var counts = Self.counts(server.asked)
                    // The node has some of its own to tell.
                    counts["POST events"] = server.objects("events").count {
                        $0["involvedObject"]?["kind"]?.string == "Pod"
                    }
                    for (what, count) in counts.sorted(by: { $0.key < $1.key }) {
                        print("requests of one pod: \(count) \(what), a kubelet's \(Self.kubelet[what] ?? 0)")
                        let statuses = told.withLock { $0.joined(separator: "\n") }
                        #expect(count <= Self.kubelet[what] ?? 0, "\(what); its statuses:\n\(statuses)")
                    }
                    print(
                        "requests of one pod: \(counts.values.reduce(0, +)) in all, a kubelet's "
                            + "\(Self.kubelet.values.reduce(0, +))")
                }
            }
        }
    }

    @Test func `what only another second's fraction tells apart is not told again`() {
        let now = Timestamp(nanosecondsSince1970: 5_000_000_000)
        let pod = Sample.pod()
        func status(_ later: Duration) -> PodStatus { StatusInput(pod: pod, now: now.advanced(by: later)).status() }
        #expect(StatusWriter.isSame(status(.zero), status(.milliseconds(500))))
        #expect(!StatusWriter.isSame(status(.zero), status(.seconds(1))))
        #expect(!StatusWriter.isSame(nil, status(.zero)))
    }

    /// By verb and resource; without what the node asks for itself.
    private static func counts(_ asked: [APIServerDouble.Asked]) -> [String: Int] {
        var counts: [String: Int] = [:]
        for asked in asked where asked.user == "system:node:n" {
            let parts = asked.target.split(separator: "?")[0].split(separator: "/").map(String.init)
            guard let namespaces = parts.firstIndex(of: "namespaces"), parts.count > namespaces + 2,
                parts[namespaces + 1] == "default", !asked.target.contains("fieldSelector=spec.nodeName")
            else { continue }
            let rest = parts.dropFirst(namespaces + 2)
            // The subresource follows the name.
            let resource = rest.count > 2 ? "\(rest.first ?? "")/\(rest.last ?? "")" : rest.first ?? ""
            counts["\(asked.method) \(resource)", default: 0] += 1
        }
        return counts
    }
}
