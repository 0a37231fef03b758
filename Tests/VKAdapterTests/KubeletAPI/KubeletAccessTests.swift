import Foundation
import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets
import Support
import Testing

@testable import VKAdapter

/// Who may do what at the kubelet API.
@Suite(.timeLimit(.minutes(2))) struct KubeletAccessTests {
    /// Allows some subresources of the node and notes what it was asked.
    final class Only: Authorizer {
        let allowed: Set<String>
        let asked = NIOLockedValueBox<[String]>([])

        init(_ allowed: Set<String>) { self.allowed = allowed }

        func allows(_ requester: Requester, verb: String, subresources: [String]) -> Bool {
            // As rules for everybody who is known want it.
            #expect(requester.groups.contains("system:authenticated"))
            asked.withLockedValue { $0.append("\(verb) \(subresources.joined(separator: ","))") }
            return !allowed.isDisjoint(with: subresources)
        }
    }

    /// Every path there is, some that are not, and every way to spell them.
    static let requests: [(method: HTTPMethod, target: String, wants: String)] = [
        (.GET, "/healthz", "get healthz,proxy"), (.GET, "/healthz/ping", "get healthz,proxy"),
        (.GET, "/pods", "get pods,proxy"), (.GET, "/runningpods/", "get pods,proxy"),
        (.GET, "/containerLogs/default/web-n/web", "get proxy"),
        (.POST, "/exec/default/web-n/web?command=id&output=1", "create proxy"),
        (.GET, "/exec/default/web-n/web?command=id&output=1", "get proxy"),
        (.POST, "/exec/default/web-n/uid/web?command=id&output=1", "create proxy"),
        (.POST, "/attach/default/web-n/web?output=1", "create proxy"),
        (.POST, "/portForward/default/web-n", "create proxy"),
        (.POST, "/portForward/default/web-n/uid?port=80", "create proxy"),
        (.GET, "/", "get proxy"), (.GET, "/nothing", "get proxy"), (.GET, "//exec//default/web-n/web", "get proxy"),
        (.GET, "/%65xec/default/web-n/web", "get proxy"), (.DELETE, "/pods", "delete pods,proxy"),
        (.PUT, "/pods", "update pods,proxy"), (.PATCH, "/exec/default/web-n/web", "patch proxy"),
        (.POST, "/run/default/web-n/web?cmd=id", "create proxy"),
        (.POST, "/run/default/web-n/uid/web?cmd=id", "create proxy"),
        (.GET, "/stats/summary", "get stats"), (.GET, "/stats/container", "get stats"),
        (.GET, "/metrics", "get metrics"), (.GET, "/metrics/resource", "get metrics"),
        (.GET, "/metrics/cadvisor", "get metrics"), (.GET, "/metrics/probes", "get metrics"),
        (.GET, "/metrics/nothing", "get metrics"), (.GET, "/%6detrics", "get metrics"),
        (.GET, "/logs/", "get log"), (.GET, "/logs/a/b", "get log"), (.GET, "/logsx", "get proxy"),
        (.GET, "/configz", "get configz,proxy"), (.GET, "/flagz", "get configz,proxy"),
        (.GET, "/statusz", "get statusz"), (.POST, "/checkpoint/default/web-n/web", "create checkpoint"),
    ]

    private func status(_ client: HTTPClient, _ method: HTTPMethod, _ target: String) async throws -> Int {
        let response = try await client.execute(method, target, timeout: .seconds(10))
        _ = try await response.body.collect(upTo: 1 << 20)
        return Int(response.status.code)
    }

    @Test("no path, and no spelling of one, does anything for a requester who may not: 403, whatever is asked (S1)")
    func denied() async throws {
        let nobody = Only([])
        try await KubeletStreamTests().serving(nobody) { node, base in
            let client = HTTPClient(
                endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")),
                group: MultiThreadedEventLoopGroup.singleton)
            for request in Self.requests {
                let status = try await status(client, request.method, request.target)
                #expect(status == 403, "\(request.method) \(request.target)")
                #expect(
                    nobody.asked.withLockedValue { $0.popLast() } == request.wants,
                    "\(request.method) \(request.target)")
            }
            #expect(node.runtime.edit { $0.execs.isEmpty })
            #expect(node.runtime.calls["ExecSync"] == nil && node.runtime.calls["CheckpointContainer"] == nil)
            await client.close()
        }
    }

    @Test("who may see pods sees them, and gets no further than that (S1)")
    func partly() async throws {
        try await KubeletStreamTests().serving(Only(["pods"])) { node, base in
            let client = HTTPClient(
                endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")),
                group: MultiThreadedEventLoopGroup.singleton)
            for request in Self.requests where request.method == .GET {
                let status = try await status(client, request.method, request.target)
                #expect((status == 403) != request.target.contains("pods"), "\(request.target)")
            }
            #expect(node.runtime.edit { $0.execs.isEmpty })
            await client.close()
        }
    }

    @Test("pods of which nothing runs are no running pods, and disturb nobody who asks (S3)")
    func running() async throws {
        try await KubeletStreamTests().serving { node, base in
            try node.pod("none", image: "nowhere:1")
            let client = HTTPClient(
                endpoint: try Endpoint(parsing: base.replacing("http://", with: "tcp://")),
                group: MultiThreadedEventLoopGroup.singleton)
            func lists(_ pod: String, _ target: String) async throws -> Bool {
                let response = try await client.execute(.GET, target, timeout: .seconds(10))
                let text = String(buffer: try await response.body.collect(upTo: 1 << 20))
                return text.contains(#""name":"\#(pod)""#)
            }
            try await eventually("the other pod is known") { try await lists("none-n", "/pods") }
            #expect(try await lists("web-n", "/runningpods/"))
            #expect(try await !lists("none-n", "/runningpods/"))
            await client.close()
        }
    }

    @Test func `in a cluster nobody but the masters and the token's owner may do anything, whoever signed them`()
        async throws
    {
        let masters = AllowMasters()
        func may(_ requester: Requester) -> Bool { masters.allows(requester, verb: "get", subresources: ["proxy"]) }
        #expect(may(Requester(name: "kube-apiserver-kubelet-client", groups: ["system:masters"])))
        #expect(!may(Requester(name: "kubelet-token")))
        #expect(!may(Requester(name: "system:node:other", groups: ["system:nodes"])))
        #expect(!may(Requester(name: "system:masters")))
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/token"
            try TokenFileAuthenticator.prepare(path)
            let token = try String(contentsOfFile: path, encoding: .utf8).filter { !$0.isWhitespace }
            let request = try HTTPRequest(.GET, "/pods", headers: ["authorization": "Bearer \(token)"])
            let owner = try #require(try await TokenFileAuthenticator(path: path).requester(request))
            #expect(may(owner))
        }
    }
}
