import APIServer
import Support
import Testing

@testable import KubeAPI

/// The double of the tests beside a real API server: what our tests rest on is so.
@Suite struct DoubleTests {
    private struct Step {
        var what: String
        var question: ClusterQuestion
        /// What of the answer is compared, besides its code and a refusal's reason: paths into the object.
        var fields: [[String]]

        init(_ what: String, _ question: ClusterQuestion, _ fields: String...) {
            self.what = what
            self.question = question
            self.fields = fields.map { $0.split(separator: ".").map(String.init) }
        }
    }

    private static let strategic = "application/strategic-merge-patch+json"
    private static let merge = "application/merge-patch+json"
    private static let node = APIServerDouble.User.node("node")
    private static let other = APIServerDouble.User.node("other")

    private static func pod(_ name: String, _ more: String = "") -> String {
        #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"\#(name)","labels":{"a":"b"}},"spec":{"nodeName":"node","containers":[{"name":"c","image":"i:1"}]\#(more)}}"#
    }

    private static let pods = "/api/v1/namespaces/default/pods"
    private static let secrets = "/api/v1/namespaces/default/secrets"
    private static let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"

    private static let steps: [Step] = [
        Step("a token nobody has", .init("GET", "/api/v1/nodes", token: "none")),
        Step(
            "a node with a label that is the cluster's",
            .init(
                "POST", "/api/v1/nodes",
                #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node","labels":{"kubernetes.io/role":"agent"}}}"#,
                as: node)),
        Step(
            "a node joins",
            .init(
                "POST", "/api/v1/nodes",
                #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node","labels":{"kubernetes.io/os":"linux"}},"spec":{"taints":[{"key":"k","effect":"NoSchedule"}]}}"#,
                as: node), "metadata.labels"),
        Step(
            "once more",
            .init("POST", "/api/v1/nodes", #"{"apiVersion":"v1","kind":"Node","metadata":{"name":"node"}}"#, as: node)),
        Step("another node's object", .init("GET", "/api/v1/nodes/node", as: other)),
        Step("all nodes, asked for by one", .init("GET", "/api/v1/nodes", as: node)),
        Step("itself, by a selector", .init("GET", "/api/v1/nodes?fieldSelector=metadata.name%3Dnode", as: node)),
        Step(
            "conditions are merged by their type",
            .init(
                "PATCH", "/api/v1/nodes/node/status",
                #"{"status":{"conditions":[{"type":"Ready","status":"True","reason":"a"},{"type":"DiskPressure","status":"False"}]}}"#,
                as: node, type: strategic), "status.conditions"),
        Step(
            "and changed one by one",
            .init(
                "PATCH", "/api/v1/nodes/node/status", #"{"status":{"conditions":[{"type":"Ready","status":"False"}]}}"#,
                as: node, type: strategic), "status.conditions"),
        Step(
            "addresses are replaced",
            .init(
                "PATCH", "/api/v1/nodes/node/status",
                #"{"status":{"addresses":[{"type":"InternalIP","address":"192.0.2.1"},{"$patch":"replace"}]}}"#,
                as: node, type: strategic), "status.addresses"),
        Step(
            "a secret that a pod will use",
            .init(
                "POST", secrets, #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"used"},"data":{"k":"dg=="}}"#),
            "data"),
        Step("a secret that no pod of the node uses", .init("GET", secrets + "/used", as: node)),
        Step(
            "a pod",
            .init(
                "POST", pods, pod("web", #","volumes":[{"name":"s","secret":{"secretName":"used"}}]"#)),
            "metadata.generation", "status.phase", "spec.restartPolicy", "spec.terminationGracePeriodSeconds",
            "spec.nodeName", "metadata.labels"),
        Step("a pod's second", .init("POST", pods, pod("two"))),
        Step("an object that is none", .init("POST", pods, "{")),
        Step("an object of another kind", .init("POST", pods, #"{"apiVersion":"v1","kind":"Node"}"#)),
        Step("an object without a name", .init("POST", pods, #"{"apiVersion":"v1","kind":"Pod","metadata":{}}"#)),
        Step("a secret that a pod uses", .init("GET", secrets + "/used", as: node), "data"),
        Step("the same, of another node", .init("GET", secrets + "/used", as: other)),
        Step("all secrets", .init("GET", secrets, as: node)),
        Step("the pods of all nodes", .init("GET", "/api/v1/pods", as: node)),
        Step("its own pods", .init("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode", as: node)),
        Step("the pods of another node", .init("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dnode", as: other)),
        Step(
            "the status of a pod",
            .init(
                "PATCH", pods + "/web/status",
                #"{"status":{"phase":"Running","podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"}],"conditions":[{"type":"Ready","status":"True"}]}}"#,
                as: node, type: strategic), "status.phase", "status.podIP", "status.conditions", "metadata.generation"),
        Step(
            "the status of another node's pod",
            .init("PATCH", pods + "/web/status", #"{"status":{"phase":"Failed"}}"#, as: other, type: strategic)),
        Step(
            "what a pod is, changed by its node",
            .init("PATCH", pods + "/web", #"{"metadata":{"labels":{"x":"y"}}}"#, as: node, type: strategic)),
        Step(
            "a new image",
            .init("PATCH", pods + "/web", #"{"spec":{"containers":[{"name":"c","image":"i:2"}]}}"#, type: strategic),
            "metadata.generation", "status.phase"),
        Step(
            "what no pod may change",
            .init("PATCH", pods + "/web", #"{"spec":{"nodeName":"elsewhere"}}"#, type: merge)),
        Step(
            "a version that is over",
            .init("PATCH", pods + "/web", #"{"metadata":{"resourceVersion":"1","labels":{"x":"z"}}}"#, type: merge)),
        Step(
            "another pod of that name",
            .init("PATCH", pods + "/web/status", #"{"metadata":{"uid":"no"},"status":{}}"#, as: node, type: strategic)),
        Step("a patch of nothing", .init("PATCH", pods + "/none", "{}", type: merge)),
        Step("a patch of no known kind", .init("PATCH", pods + "/web", "{}", type: "text/plain")),
        Step("a page", .init("GET", pods + "?limit=1"), "metadata.remainingItemCount"),
        Step("a page that never was", .init("GET", pods + "?limit=1&continue=nonsense")),
        Step(
            "a lease",
            .init(
                "POST", leases,
                #"{"apiVersion":"coordination.k8s.io/v1","kind":"Lease","metadata":{"name":"node"},"spec":{"holderIdentity":"node"}}"#,
                as: node), "spec"),
        Step("a lease of another", .init("GET", leases + "/node", as: other)),
        Step(
            "a pod that shall go",
            .init("DELETE", pods + "/web", as: node), "metadata.deletionGracePeriodSeconds", "status.phase"),
        Step("a pod that is going", .init("GET", pods + "/web"), "metadata.deletionGracePeriodSeconds"),
        Step(
            "sooner than that",
            .init("DELETE", pods + "/web", #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":2}"#),
            "metadata.deletionGracePeriodSeconds"),
        Step(
            "its end, of one that is another",
            .init(
                "DELETE", pods + "/web",
                #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0,"preconditions":{"uid":"no"}}"#,
                as: node)),
        Step(
            "its end, by a stranger",
            .init(
                "DELETE", pods + "/web", #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}"#,
                as: other)
        ),
        Step(
            "its end",
            .init(
                "DELETE", pods + "/web", #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}"#, as: node
            )),
        Step("it is gone", .init("GET", pods + "/web", as: node)),
        Step(
            "its status, by its node",
            .init("PATCH", pods + "/web/status", #"{"status":{"phase":"Failed"}}"#, as: node, type: strategic)),
        Step(
            "its end, again",
            .init(
                "DELETE", pods + "/web", #"{"apiVersion":"v1","kind":"DeleteOptions","gracePeriodSeconds":0}"#, as: node
            )),
        Step("what has ended with nothing", .init("DELETE", pods + "/web")),
    ]

    /// Code, reason of a refusal, and the fields that matter, as text.
    private static func summary(_ step: Step, _ cluster: any TestCluster) async throws -> String {
        let answer = try await cluster.answer(to: step.question)
        guard let body = try? JSONReader.read(Array(answer.text.utf8)) else { return "\(answer.code) \(answer.text)" }
        if body["kind"]?.string == "Status", answer.code >= 300 {
            return "\(answer.code) \(body["reason"]?.string ?? "")"
        }
        var lines = ["\(answer.code) \(body["kind"]?.string ?? "")"]
        for field in step.fields {
            var value: Value? = body
            for name in field { value = value?[name] }
            lines.append(field.joined(separator: ".") + " = " + (value.map(text) ?? "nothing"))
        }
        return lines.joined(separator: "\n")
    }

    /// Sorted, and without times.
    private static func text(_ value: Value) -> String {
        if let array = value.array { return "[" + array.map(text).joined(separator: ",") + "]" }
        guard case .object(let members) = value.kind else {
            return String(decoding: value.canonicalJSONBytes(), as: UTF8.self)
        }
        let times = ["lastHeartbeatTime", "lastTransitionTime", "lastProbeTime", "observedGeneration"]
        return "{"
            + members.filter { !times.contains($0.name) }.map { "\($0.name):\(text($0.value))" }.sorted()
            .joined(separator: ",") + "}"
    }

    @Test(
        "the double answers as a real API server does", .enabled(if: ControlPlane.isAvailable, ControlPlane.skipReason),
        .timeLimit(.minutes(5)))
    func compared() async throws {
        try await ControlPlane.with { real in
            try await APIServerDouble.with { double in
                for step in Self.steps {
                    let wanted = try await Self.summary(step, real)
                    let found = try await Self.summary(step, double)
                    #expect(found == wanted, "\(step.what)")
                }
            }
        }
    }
}
