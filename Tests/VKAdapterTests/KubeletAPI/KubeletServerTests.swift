import Foundation
import HTTP
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Proto
import Sockets
import Support
import TLS
import Testing

@testable import VKAdapter

/// The API as a client on the network sees it.
struct KubeletClient {
    let http: HTTPClient
    let root: String

    init(_ adapter: Node.Adapter, root: String) throws {
        let tls = try TLSContext.client(
            TLSClientConfiguration(
                caFile: "\(root)/kubelet.crt", serverName: "localhost", applicationProtocols: ["http/1.1"]))
        http = HTTPClient(
            endpoint: try #require(adapter.daemon.kubeletEndpoint), tls: tls,
            group: MultiThreadedEventLoopGroup.singleton)
        self.root = root
    }

    var token: String {
        get throws {
            try String(contentsOfFile: "\(root)/kubelet-token", encoding: .utf8).trimmingCharacters(in: .newlines)
        }
    }

    func send(_ target: String, _ method: HTTPMethod = .GET, authorization: String?) async throws -> (Int, String) {
        var headers = HTTPHeaders()
        if let authorization { headers.add(name: "Authorization", value: authorization) }
        let response = try await http.execute(method, target, headers: headers, timeout: .seconds(10))
        return (Int(response.status.code), String(buffer: try await response.body.collect(upTo: 1 << 20)))
    }

    func get(_ target: String) async throws -> (Int, String) {
        try await send(target, authorization: "Bearer \(try token)")
    }
}

@Suite(.timeLimit(.minutes(2))) struct KubeletServerTests {
    func serving(_ body: (Node, Node.Adapter, KubeletClient) async throws -> Void) async throws {
        try await Node.with { node in
            try node.pod("web")
            try await node.running { adapter in
                try await eventually("ready") { adapter.isReady("web") }
                let client = try KubeletClient(adapter, root: node.root)
                try await body(node, adapter, client)
                await client.http.close()
            }
        }
    }

    @Test("every path wants the token; a wrong or missing one gets 401, a new one counts at once")
    func authentication() async throws {
        try await serving { node, _, client in
            let token = try client.token
            #expect(token.count == 64)
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(node.root)/kubelet-token")
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            let paths = [
                "/healthz", "/pods", "/runningpods/", "/containerLogs/default/web-n/web",
                "/exec/default/web-n/web?output=1",
                "/attach/default/web-n/web?output=1", "/portForward/default/web-n", "/nowhere",
            ]
            let wrong = [nil, "Bearer", "Bearer \(token)0", "Bearer \(token.dropLast())x", "Basic \(token)", "Bearer "]
            for path in paths {
                for authorization in wrong {
                    let (status, body) = try await client.send(path, authorization: authorization)
                    #expect(status == 401 && body == "Unauthorized", "\(path) \(authorization ?? "")")
                }
            }
            #expect(try await client.send("/healthz", authorization: "bearer \(token)").0 == 200)
            try "other".write(toFile: "\(node.root)/kubelet-token", atomically: true, encoding: .utf8)
            #expect(try await client.send("/healthz", authorization: "Bearer \(token)").0 == 401)
            #expect(try await client.send("/healthz", authorization: "Bearer other").0 == 200)
            try "".write(toFile: "\(node.root)/kubelet-token", atomically: true, encoding: .utf8)
            #expect(try await client.send("/healthz", authorization: "Bearer ").0 == 401)
        }
    }

    @Test("pods are listed as an API server would, with status")
    func pods() async throws {
        try await serving { node, _, client in
            #expect(try await client.get("/healthz") == (200, "ok"))
            #expect(try await client.get("/nowhere").0 == 404)
            #expect(try await client.send("/pods", .POST, authorization: "Bearer \(try client.token)").0 == 405)
            let (status, body) = try await client.get("/pods")
            #expect(status == 200)
            let list = try #require(try JSONSerialization.jsonObject(with: Data(body.utf8)) as? [String: Any])
            #expect(list["kind"] as? String == "PodList" && list["apiVersion"] as? String == "v1")
            let pod = try #require((list["items"] as? [[String: Any]])?.first)
            #expect((pod["metadata"] as? [String: Any])?["name"] as? String == "web-n")
            #expect((pod["status"] as? [String: Any])?["phase"] as? String == "Running")
            #expect(
                try await client.get("/runningpods/").1.contains(
                    "\"containers\":[{\"name\":\"web\",\"image\":\"busybox:1\""))
            node.runtime.edit { $0.exits["busybox:1"] = 1 }
            node.runtime.exit("web", 1)
            try await eventually("no longer listed as running") {
                try await !client.get("/runningpods/").1.contains("web-n")
            }
            #expect(try await client.get("/pods").1.contains("web-n"))
        }
    }

    @Test("logs come with every option, of this run and the one before")
    func logs() async throws {
        try await serving { node, adapter, client in
            func write(_ attempt: Int, _ lines: [String]) throws {
                let path = try #require(
                    node.runtime.runs("web").first { $0.status.metadata?.attempt == UInt32(attempt) }
                ).status.logPath
                let text = lines.enumerated().map { "2024-01-01T00:00:0\($0).000000000Z stdout F \($1)\n" }.joined()
                try text.write(toFile: path, atomically: false, encoding: .utf8)
            }
            let path = "/containerLogs/default/web-n/web"
            try write(0, ["one", "two", "three"])
            #expect(try await client.get(path) == (200, "one\ntwo\nthree\n"))
            #expect(try await client.get("\(path)?tailLines=1") == (200, "three\n"))
            #expect(try await client.get("\(path)?limitBytes=5") == (200, "one\nt"))
            #expect(try await client.get("\(path)?sinceTime=2024-01-01T00:00:02Z") == (200, "three\n"))
            #expect(
                try await client.get("\(path)?tailLines=1&timestamps=true") == (
                    200, "2024-01-01T00:00:02.000000000Z three\n"
                ))
            #expect(try await client.get("\(path)?stream=Stdout") == (200, "one\ntwo\nthree\n"))
            #expect(try await client.get("\(path)?stream=Stderr") == (200, ""))
            #expect(try await client.get("\(path)?stream=All&tailLines=1") == (200, "three\n"))
            #expect(try await client.get("\(path)?stream=Stdout&tailLines=1").0 == 422)
            #expect(try await client.get("\(path)?stream=stdout").0 == 422)
            #expect(try await client.get("\(path)?previous=true").0 == 400)
            #expect(try await client.get("\(path)?tailLines=-1").0 == 422)
            #expect(try await client.get("/containerLogs/default/none/web") == (404, "pod \"none\" does not exist\n"))
            #expect(
                try await client.get("/containerLogs/default/web-n/none")
                    == (404, "container \"none\" not found in pod \"web-n\"\n"))

            // A follower gets what comes, and its end with the container's.
            async let followed = client.get("\(path)?follow=true")
            try await Task.sleep(for: .milliseconds(50))
            let log = try #require(node.runtime.running("web")).status.logPath
            let handle = try #require(FileHandle(forWritingAtPath: log))
            try handle.seekToEnd()
            try handle.write(contentsOf: Data("2024-01-01T00:00:04.000000000Z stdout F four\n".utf8))
            node.runtime.exit("web", 1)
            #expect(try await followed == (200, "one\ntwo\nthree\nfour\n"))

            try await eventually("restarted") {
                adapter.status("web")?.containerStatuses[0].restartCount == 1 && adapter.isReady("web")
            }
            try write(1, ["new"])
            #expect(try await client.get(path) == (200, "new\n"))
            #expect(try await client.get("\(path)?previous=true") == (200, "one\ntwo\nthree\nfour\n"))
        }
    }

    @Test("a port that is taken is said in one line, before anything starts")
    func portInUse() async throws {
        try await serving { node, adapter, _ in
            var configuration = node.configuration
            configuration.root = "\(node.directory)/other"
            configuration.kubeletAddress = adapter.daemon.kubeletEndpoint
            let error = await #expect(throws: AdapterError.self) {
                _ = try await AdapterDaemon(
                    configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            }
            #expect(error?.message.contains("the kubelet API cannot listen on tcp://127.0.0.1:") == true)
        }
    }

    @Test("a manifest directory that is not there is said before anything starts")
    func noManifests() async throws {
        try await Node.with { node in
            var configuration = node.configuration
            configuration.podManifestPath = "\(node.directory)/none"
            let error = await #expect(throws: AdapterError.self) {
                _ = try await AdapterDaemon(
                    configuration, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
            }
            #expect(error?.message.contains("list the manifest directory \(node.directory)/none: No such file") == true)
        }
    }
}
