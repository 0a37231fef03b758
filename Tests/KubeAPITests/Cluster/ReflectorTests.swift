import APIServer
import Logging
import NIOPosix
import Support
import Synchronization
import Testing

@testable import KubeAPI

/// What somebody who follows pods believes there is, and whether what they were told made sense.
private final class View: Sendable {
    private struct State {
        var pods: [String: Pod] = [:]
        var lists = 0
        var nonsense: [String] = []
    }
    private let state = Mutex(State())

    func take(_ news: Reflector<Pod>.News) {
        state.withLock { state in
            switch news {
            case .replaced(let pods, _):
                state.lists += 1
                state.pods = Dictionary(pods.map { ($0.metadata.name, $0) }) { first, _ in first }
            case .changed(let pod):
                let known = state.pods[pod.metadata.name]?.metadata.resourceVersion
                if let known, let version = Int64(pod.metadata.resourceVersion), Int64(known)! >= version {
                    state.nonsense.append("\(pod.metadata.name): \(version) after \(known)")
                }
                state.pods[pod.metadata.name] = pod
            case .removed(let pod):
                if state.pods.removeValue(forKey: pod.metadata.name) == nil {
                    state.nonsense.append("\(pod.metadata.name) removed twice")
                }
            case .unreadable: break
            }
        }
    }

    var versions: [String: String] { state.withLock { $0.pods.mapValues(\.metadata.resourceVersion) } }
    var lists: Int { state.withLock { $0.lists } }
    var nonsense: [String] { state.withLock { $0.nonsense } }
}

@Suite(.timeLimit(.minutes(3))) struct ReflectorTests {
    private static func options() -> Reflector<Pod>.Options {
        var options = Reflector<Pod>.Options()
        options.pageSize = 7
        options.backOff = JitteredBackOff(initial: .milliseconds(20), maximum: .milliseconds(200))
        return options
    }

    /// Follows the pods of node `n1` while `body` runs.
    private func following(
        _ server: APIServerDouble, options: Reflector<Pod>.Options = options(), _ body: (View) async throws -> Void
    ) async throws {
        try await server.client { client async throws in
            let view = View()
            let reflector = Reflector(
                .pods, fields: "spec.nodeName=n1", client: client, options: options, logger: Logger(label: "test"))
            let task = Task { await reflector.run { view.take($0) } }
            do {
                try await body(view)
            } catch {
                task.cancel()
                throw error
            }
            task.cancel()
            await task.value
            #expect(view.nonsense.isEmpty, "\(view.nonsense)")
        }
    }

    /// What the server has for node `n1`.
    private static func truth(_ server: APIServerDouble) -> [String: String] {
        Dictionary(
            uniqueKeysWithValues: (0..<40).compactMap { number in
                let pod = server.object("pods", namespace: "default", name: "p\(number)")
                guard let pod, pod["spec"]?["nodeName"]?.string == "n1" else { return nil }
                return ("p\(number)", pod["metadata"]?["resourceVersion"]?.string ?? "")
            })
    }

    @Test func `what is there comes first, in pages, then every change`() async throws {
        try await APIServerDouble.with { server in
            for number in 0..<20 { server.put(samplePod("p\(number)").encodedAlways(), as: "pods") }
            server.put(samplePod("p30", node: "n2").encodedAlways(), as: "pods")
            try await following(server) { view in
                try await eventually("all are there") { view.versions == Self.truth(server) }
                #expect(server.asked.filter { $0.target.contains("continue=") }.count == 2)
                try await server.client { client async throws in
                    _ = try await client.create(samplePod("p21"), as: .pods, namespace: "default")
                    try await client.delete(.pods, namespace: "default", name: "p3", grace: 0)
                    // It comes to this node.
                    server.put(samplePod("p30").encodedAlways(), as: "pods")
                }
                try await eventually("every change is seen") { view.versions == Self.truth(server) }
                #expect(view.versions["p30"] != nil && view.versions["p3"] == nil)
                #expect(view.lists == 1)
            }
        }
    }

    @Test func `a server that ends watches is asked from where it ended`() async throws {
        try await APIServerDouble.with { server in
            server.put(samplePod("p0").encodedAlways(), as: "pods")
            try await following(server) { view in
                try await eventually("it is there") { view.versions.count == 1 }
                for number in 1..<6 {
                    server.endWatches()
                    server.put(samplePod("p\(number)").encodedAlways(), as: "pods")
                    try await eventually("the next is there") { view.versions.count == number + 1 }
                }
                #expect(view.lists == 1)
            }
        }
    }

    @Test func `a server that has forgotten is asked for everything, and nothing is missed`() async throws {
        try await APIServerDouble.with { server in
            for number in 0..<3 { server.put(samplePod("p\(number)").encodedAlways(), as: "pods") }
            try await following(server) { view in
                try await eventually("all are there") { view.versions.count == 3 }
                await server.stop()
                try await server.client { _ in }
                server.put(samplePod("p7").encodedAlways(), as: "pods")
                server.compact()
                try await server.start()
                try await eventually("what was missed is there") { view.versions == Self.truth(server) }
                #expect(view.lists >= 2)
            }
        }
    }

    @Test func `bookmarks keep a quiet watch from being forgotten`() async throws {
        try await APIServerDouble.with(bookmarkInterval: .milliseconds(20)) { server in
            server.put(samplePod("p0").encodedAlways(), as: "pods")
            try await following(server) { view in
                try await eventually("it is there") { view.versions.count == 1 }
                for number in 1..<30 { server.put(samplePod("p\(number)", node: "n2").encodedAlways(), as: "pods") }
                // What is sent is read before the watch's end.
                try await eventually("the bookmark is sent") { server.isBookmarked }
                server.compact()
                server.endWatches()
                server.put(samplePod("p31").encodedAlways(), as: "pods")
                try await eventually("the watch goes on") { view.versions.count == 2 }
                #expect(view.lists == 1)
            }
        }
    }

    @Test func `a server that says nothing any more is asked anew`() async throws {
        try await APIServerDouble.with(bookmarkInterval: .seconds(3600)) { server in
            var options = Self.options()
            options.silence = .milliseconds(200)
            try await following(server, options: options) { view in
                try await eventually("watches begin again and again") {
                    server.asked.filter { $0.target.contains("watch=true") }.count >= 3
                }
                server.put(samplePod("p0").encodedAlways(), as: "pods")
                try await eventually("it is there") { view.versions == Self.truth(server) }
                #expect(view.lists == 1)
            }
        }
    }

    @Test func `an object that cannot be read is told by name, and the others go on`() async throws {
        try await APIServerDouble.with { server in
            var broken = samplePod("broken").encodedAlways()
            if case .object(var members) = broken.kind {
                members.removeAll { $0.name == "spec" }
                members.append(
                    Member(
                        "spec",
                        try Documents.json(Array(#"{"nodeName":"n1","containers":"none"}"#.utf8))))
                broken = Value(.object(members))
            }
            server.put(broken, as: "pods")
            server.put(samplePod("p0").encodedAlways(), as: "pods")
            try await server.client { client async throws in
                let list = try await client.list(.pods)
                #expect(list.items.map(\.metadata.name) == ["p0"])
                #expect(list.unreadable.map(\.name) == ["broken"])
                #expect(list.unreadable[0].reason.contains("spec.containers"))
            }
            try await following(server) { view in
                try await eventually("the other is there") { view.versions.count == 1 }
                server.put(broken, as: "pods")
                server.put(samplePod("p1").encodedAlways(), as: "pods")
                try await eventually("and the next") { view.versions.count == 2 }
            }
        }
    }

    @Test func `restarts, compactions, cut connections and refusals at random: in the end the view is right`()
        async throws
    {
        var random = Faults.random("an API server that fails at random")
        try await APIServerDouble.with(bookmarkInterval: .milliseconds(30)) { server in
            try await following(server) { view in
                for _ in 0..<Faults.rounds * 20 {
                    let name = "p\(Int.random(in: 0..<40, using: &random))"
                    switch Int.random(in: 0..<20, using: &random) {
                    case 0: try await server.restart()
                    case 1: server.compact()
                    case 2: server.endWatches()
                    case 3: server.fault { _ in .refuse(Refusal(503, "ServiceUnavailable", "busy")) }
                    case 4: server.fault { $0.target.contains("watch") ? .hangUp : nil }
                    case 5, 6: server.clearFaults()
                    case 7...10: server.remove("pods", namespace: "default", name: name)
                    default:
                        let node = Bool.random(using: &random) ? "n1" : "n2"
                        let image = "busybox:\(Int.random(in: 0..<1000, using: &random))"
                        server.put(samplePod(name, node: node, image: image).encodedAlways(), as: "pods")
                    }
                    if Int.random(in: 0..<4, using: &random) == 0 {
                        try await Task.sleep(for: .milliseconds(Int.random(in: 0..<60, using: &random)))
                    }
                }
                server.clearFaults()
                try await eventually("the view is what is there") { view.versions == Self.truth(server) }
            }
        }
    }
}
