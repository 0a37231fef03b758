import APIServer
import HTTP
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Support
import Testing

@testable import VKAdapter

/// What the cluster says of callers.
@Suite(.timeLimit(.minutes(2))) struct KubeletReviewTests {
    /// A clock that goes on when it is told to.
    final class TestClock: Sendable {
        private let box = NIOLockedValueBox(ContinuousClock.now)
        var now: ContinuousClock.Instant { box.withLockedValue { $0 } }
        func advance(by duration: Duration) { box.withLockedValue { $0 += duration } }
    }

    struct Parts {
        let server: APIServerDouble
        let client: KubeClient
        let clock = TestClock()

        var authenticator: TokenReviewAuthenticator {
            let clock = clock
            return TokenReviewAuthenticator(client: client, now: { clock.now })
        }
        var authorizer: SubjectAccessAuthorizer {
            let clock = clock
            return SubjectAccessAuthorizer(client: client, nodeName: "n", now: { clock.now })
        }
        func asked(_ plural: String) -> Int { server.asked.count { $0.target.hasSuffix(plural) } }
    }

    private func with(_ body: (Parts) async throws -> Void) async throws {
        try await APIServerDouble.with { server async throws in
            let client = KubeClient(
                server.connection(as: .node("n")), group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            try await body(Parts(server: server, client: client))
            await client.shutdown()
        }
    }

    private func request(_ authorization: String?) throws -> HTTPRequest {
        try HTTPRequest(.GET, "/pods", headers: authorization.map { ["authorization": $0] } ?? [:])
    }

    @Test func `a token is whose the cluster says, for two minutes, and a wrong one nobody's for ten seconds`()
        async throws
    {
        try await with { parts async throws in
            let authenticator = parts.authenticator
            let token = parts.server.token(of: .init("system:serviceaccount:monitoring:prometheus", groups: ["g"]))
            let known = try request("Bearer \(token)")
            let who = try await authenticator.requester(known)
            #expect(who?.name == "system:serviceaccount:monitoring:prometheus")
            #expect(who?.groups == ["g", "system:authenticated"])
            for _ in 0..<5 { #expect(try await authenticator.requester(known) == who) }
            #expect(parts.asked("tokenreviews") == 1)
            parts.clock.advance(by: .seconds(121))
            #expect(try await authenticator.requester(known) == who)
            #expect(parts.asked("tokenreviews") == 2)

            let wrong = try request("Bearer nonsense")
            for _ in 0..<3 { #expect(try await authenticator.requester(wrong) == nil) }
            #expect(parts.asked("tokenreviews") == 3)
            parts.clock.advance(by: .seconds(11))
            #expect(try await authenticator.requester(wrong) == nil)
            #expect(parts.asked("tokenreviews") == 4)
        }
    }

    @Test func `what is no token is not asked about`() async throws {
        try await with { parts async throws in
            let long = "Bearer " + String(repeating: "x", count: 20 << 10)
            for text in [nil, "Bearer", "Bearer ", "Basic abc", "token", long] {
                #expect(try await parts.authenticator.requester(try request(text)) == nil)
            }
            #expect(parts.asked("tokenreviews") == 0)
        }
    }

    @Test func `while the cluster cannot be asked nobody gets in, and nothing of that is kept`() async throws {
        try await with { parts async throws in
            let authenticator = parts.authenticator
            let known = try request("Bearer \(parts.server.token(of: .init("u")))")
            parts.server.fault { $0.target.contains("review") ? .refuse(.init(500, "InternalError", "away")) : nil }
            await #expect(throws: (any Error).self) { () async throws in _ = try await authenticator.requester(known) }
            let authorizer = parts.authorizer
            await #expect(throws: (any Error).self) { () async throws in
                _ = try await authorizer.allows(.init(name: "u"), verb: "get", subresources: ["pods", "proxy"])
            }
            // Those who may do everything get in all the same.
            let master = Requester(name: "api", groups: ["system:masters"])
            #expect(try await authorizer.allows(master, verb: "create", subresources: ["proxy"]))
            parts.server.clearFaults()
            #expect(try await authenticator.requester(known)?.name == "u")
        }
    }

    @Test func `one of the subresources is enough, a yes holds five minutes and a no half of one`() async throws {
        try await with { parts async throws in
            let authorizer = parts.authorizer
            let user = Requester(name: "viewer", groups: ["system:authenticated"])
            func may(_ verb: String, _ subresources: [String]) async throws -> Bool {
                try await authorizer.allows(user, verb: verb, subresources: subresources)
            }
            parts.server.grant("viewer", "get", "pods")
            #expect(try await may("get", ["pods", "proxy"]))
            #expect(parts.asked("subjectaccessreviews") == 1)
            #expect(try await !may("get", ["proxy"]))
            #expect(try await !may("create", ["pods", "proxy"]))
            #expect(parts.asked("subjectaccessreviews") == 4)

            // What was said holds.
            parts.server.revoke("viewer")
            parts.server.grant("viewer", "get", "proxy")
            #expect(try await may("get", ["pods", "proxy"]))
            #expect(try await !may("get", ["proxy"]))
            parts.clock.advance(by: .seconds(31))
            #expect(try await may("get", ["proxy"]))
            parts.server.revoke("viewer")
            parts.clock.advance(by: .seconds(270))
            #expect(try await !may("get", ["pods"]))
            #expect(try await may("get", ["proxy"]))
            parts.clock.advance(by: .seconds(31))
            #expect(try await !may("get", ["proxy"]))
        }
    }

    @Test func `many who ask the same at once are one question`() async throws {
        let asked = NIOLockedValueBox(0)
        let (opened, open) = AsyncStream<Void>.makeStream()
        let cache = ReplyCache<String, Int>(lifetime: { _ in .seconds(60) }) { text in
            asked.withLockedValue { $0 += 1 }
            for await _ in opened { break }
            return text.count
        }
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<50 { group.addTask { try await cache.reply(to: "four") } }
            open.yield()
            open.finish()
            for try await reply in group { #expect(reply == 4) }
        }
        #expect(asked.withLockedValue { $0 } == 1)
    }

    @Test func `ever new questions do not make the cache grow, and what has no lifetime is not kept`() async throws {
        let cache = ReplyCache<Int, Int>(limit: 10, lifetime: { _ in .seconds(60) }) { $0 }
        for question in 0..<1000 { #expect(try await cache.reply(to: question) == question) }
        #expect(await cache.count == 10)
        let fresh = ReplyCache<Int, Int>(lifetime: { _ in .zero }) { $0 }
        #expect(try await fresh.reply(to: 1) == 1)
        #expect(await fresh.count == 0)
    }

    @Test func `a service account gets as far as the cluster lets it, at the node itself`() async throws {
        try await APIServerDouble.with { server async throws in
            let token = server.token(of: .init("system:serviceaccount:kube-system:metrics-server"))
            server.grant("system:serviceaccount:kube-system:metrics-server", "get", "metrics")
            try await Node.with { node async throws in
                var configuration = node.configuration
                configuration.podManifestPath = nil
                configuration.cluster = server.connection(as: .node("n"))
                configuration.reviewsTokens = true
                try await node.runtime.serve(node.socket) { endpoint async throws in
                    try await node.adapter(endpoint, configuration: configuration) { adapter async throws in
                        let client = try KubeletClient(adapter, root: node.root)
                        func status(_ target: String) async throws -> Int {
                            try await client.send(target, authorization: "Bearer \(token)").0
                        }
                        #expect(try await status("/metrics/resource") == 200)
                        #expect(try await status("/metrics") == 200)
                        #expect(try await status("/pods") == 403)
                        #expect(try await status("/stats/summary") == 403)
                        #expect(try await client.send("/pods", authorization: "Bearer nobody").0 == 401)
                        #expect(try await client.get("/pods").0 == 200)
                        await client.http.close()
                    }
                }
            }
        }
    }
}
