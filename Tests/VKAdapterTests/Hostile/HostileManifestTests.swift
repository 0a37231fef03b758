import APIServer
import Foundation
import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

/// Pods that mean harm, from the bytes an API server sends to what the runtime is asked for and what is written to disk.
@Suite(.timeLimit(.minutes(10))) struct HostileManifestTests {
    @Test func `no bytes and no document crash what reads pods, and each is refused with a reason or understood`()
        throws
    {
        var hostile = HostileValues(random: Faults.random("hostile documents"), outside: "/outside")
        let rich = try HostilePods.rich()
        let whole = try Pod(rich)
        #expect(whole.spec.containers.count == 2 && whole.spec.volumes.count == 5)
        var (refused, read) = (0, 0)
        for round in 0..<(20 * Faults.rounds) {
            hostile.chance = [0.0005, 0.002, 0.02].randomElement(using: &hostile.random)!
            var bytes = hostile.spoiled(rich).jsonBytes()
            if round % 3 == 0 { bytes = hostile.spoiled(bytes) }
            do throws(DecodingIssue) {
                var pod = try Pod(try Value(json: bytes))
                pod.applyDefaults()
                _ = pod.validate()
                // What was understood is written so that it means the same again.
                let again = try Pod(try Value(json: pod.encodedAlways().jsonBytes()))
                #expect(again == pod)
                read += 1
            } catch {
                #expect(!error.reason.isEmpty)
                refused += 1
            }
            for pod in Pod.manifest(bytes, file: "hostile.yaml").pods { _ = pod.validate() }
        }
        print("hostile documents: \(read) understood, \(refused) refused")
        #expect(read > 0 && refused > 0)
    }

    @Test func `no pod of a cluster crashes the adapter, keeps it from others or touches what is not its own`()
        async throws
    {
        let random = Faults.random("hostile pods")
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                let outside = node.directory + "/outside"
                try FileManager.default.createDirectory(atPath: outside + "/inner", withIntermediateDirectories: true)
                try "keep".write(toFile: outside + "/inner/secret", atomically: true, encoding: .utf8)
                let before = try Self.tree(outside)
                var hostile = HostileValues(random: random, outside: outside)
                try Self.putObjects(server, &hostile)
                try await node.running(in: server) { _ in
                    for batch in 0..<max(2, Faults.rounds / 2) {
                        try await run(batch, &hostile, server, node, outside)
                        #expect(try Self.tree(outside) == before)
                    }
                }
                let top = try FileManager.default.contentsOfDirectory(atPath: node.directory).sorted()
                #expect(
                    Set(top).isSubset(of: ["cri.sock", "cri.sock.lock", "logs", "manifests", "outside", "root"]),
                    "\(top)")
            }
        }
    }

    /// A few pods at once, beside one that is well made and has to run.
    private func run(
        _ batch: Int, _ hostile: inout HostileValues, _ server: APIServerDouble, _ node: VKAdapterTests.Node,
        _ outside: String
    ) async throws {
        var names = (0..<8).map { "h\(batch)-\($0)" }
        for name in names { server.put(try Self.pod(name, &hostile), as: "pods") }
        names.append("many\(batch)")
        server.put(try Self.many("many\(batch)", 40), as: "pods")
        let sane = try await server.client { client async throws in
            try await client.create(
                Pod {
                    $0.metadata.name = "sane\(batch)"
                    $0.metadata.namespace = "default"
                    $0.spec.nodeName = "n"
                    $0.spec.containers = [Sample.container("sane\(batch)")]
                }, as: .pods, namespace: "default")
        }
        func seen(_ name: String) throws -> Pod? {
            try server.object("pods", namespace: "default", name: name).map { try Pod($0) }
        }
        try await eventually("a pod beside hostile ones runs", within: .seconds(60)) {
            try seen(sane.metadata.name)?.status.condition(.ready)?.status == "True"
        }
        for name in names {
            let text = server.object("pods", namespace: "default", name: name).map {
                String(decoding: $0.jsonBytes().prefix(20_000), as: UTF8.self)
            }
            try await eventually("\(name) is told of: \(text ?? "")", within: .seconds(60)) {
                try Self.isAnswered(name, server, node)
            }
        }
        // What a container that runs would leave in its volumes.
        for uid in try Self.names(node.root + "/pods") {
            for volume in try Self.names("\(node.root)/pods/\(uid)/volumes/kubernetes.io~empty-dir") {
                let path = "\(node.root)/pods/\(uid)/volumes/kubernetes.io~empty-dir/\(volume)"
                for link in ["a", "x", "..data"] {
                    try? FileManager.default.createSymbolicLink(atPath: path + "/" + link, withDestinationPath: outside)
                }
            }
        }
        node.runtime.killSandboxes()
        try await eventually("what is well made runs again", within: .seconds(60)) {
            node.runtime.running(sane.metadata.name) != nil
                && node.runtime.runs(sane.metadata.name).contains { $0.status.state == .containerExited }
        }
        for name in names + [sane.metadata.name] { server.remove("pods", namespace: "default", name: name) }
        try await eventually("nothing is left of them", within: .seconds(60)) {
            try node.runtime.edit { $0.sandboxes.isEmpty } && Self.names(node.root + "/pods").isEmpty
        }
    }

    private static func names(_ directory: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: directory) else { return [] }
        return try FileManager.default.contentsOfDirectory(atPath: directory)
    }

    /// Whether the cluster knows how the pod is and why, or the log says that it cannot be read.
    private static func isAnswered(
        _ name: String, _ server: APIServerDouble, _ node: VKAdapterTests.Node
    ) throws -> Bool {
        if !node.logged("cannot read default/\(name):").isEmpty { return true }
        guard let status = server.object("pods", namespace: "default", name: name)?["status"] else { return false }
        guard let phase = status["phase"]?.string, !phase.isEmpty, status["startTime"] != nil else { return false }
        if phase == "Failed" { return status["reason"]?.string?.isEmpty == false || status["containerStatuses"] != nil }
        let states = status["containerStatuses"]?.array ?? []
        return states.allSatisfy { state in
            guard let waiting = state["state"]?["waiting"] else { return true }
            return waiting["reason"]?.string?.isEmpty == false
        }
    }

    private static func pod(_ name: String, _ hostile: inout HostileValues) throws -> Value {
        hostile.chance = [0.003, 0.01, 0.03].randomElement(using: &hostile.random)!
        return try asGiven(hostile.spoiled(try HostilePods.rich()), name)
    }

    /// What an API server gives every pod, whatever else it says.
    private static func asGiven(_ pod: Value, _ name: String) throws -> Value {
        func set(_ object: Value?, _ names: Set<String>, _ text: String) throws -> Value {
            guard case .object(let given) = try Value(json: Array(text.utf8)).kind else { return Value(.null) }
            var members: [Member] = if case .object(let members)? = object?.kind { members } else { [] }
            members.removeAll { names.contains($0.name) }
            return Value(.object(members + given))
        }
        let digits = name.utf8.map { String($0, radix: 16) }.joined()
        let metadata = try set(
            pod["metadata"], ["name", "namespace", "uid", "deletionTimestamp", "deletionGracePeriodSeconds"],
            #"{"name":"\#(name)","namespace":"default","uid":"uid-\#(digits)"}"#)
        let spec = try set(pod["spec"], ["nodeName"], #"{"nodeName":"n"}"#)
        return Value(
            .object([
                Member("kind", Value(.string("Pod"))), Member("apiVersion", Value(.string("v1"))),
                Member("metadata", metadata), Member("spec", spec),
                Member("status", pod["status"] ?? Value(.object([]))),
            ]))
    }

    /// One with more containers than anybody needs, two of each name.
    private static func many(_ name: String, _ count: Int) throws -> Value {
        let containers = (0..<count).map { #"{"name":"c\#($0 / 2)","image":"busybox:1"}"# }.joined(separator: ",")
        let text = #"{"metadata":{},"spec":{"containers":[\#(containers)]},"status":{}}"#
        return try asGiven(try Value(json: Array(text.utf8)), name)
    }

    private static func putObjects(_ server: APIServerDouble, _ hostile: inout HostileValues) throws {
        func data(_ value: String, _ hostile: inout HostileValues) -> String {
            var members = [Member("a", Value(.string(value))), Member("b", Value(.string(value)))]
            for _ in 0..<20 { members.append(Member(hostile.text(), Value(.string(value)))) }
            return String(decoding: Value(.object(members)).jsonBytes(), as: UTF8.self)
        }
        func put(_ plural: String, _ kind: String, _ name: String, _ more: String) throws {
            let text =
                #"{"kind":"\#(kind)","apiVersion":"v1","metadata":{"name":"\#(name)","namespace":"default"}\#(more)}"#
            server.put(try Value(json: Array(text.utf8)), as: plural)
        }
        try put("configmaps", "ConfigMap", "map", #","data":\#(data("text", &hostile))"#)
        try put("secrets", "Secret", "secret", #","data":\#(data("aGlkZGVu", &hostile))"#)
        try put("serviceaccounts", "ServiceAccount", "default", "")
    }

    /// Every path below a directory, with what is there.
    private static func tree(_ directory: String) throws -> [String] {
        try FileManager.default.subpathsOfDirectory(atPath: directory).sorted().map { path in
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(directory)/\(path)")
            return "\(path) \(attributes[.size] ?? 0) \(attributes[.posixPermissions] ?? 0) "
                + "\(attributes[.modificationDate] ?? 0)"
        }
    }
}
