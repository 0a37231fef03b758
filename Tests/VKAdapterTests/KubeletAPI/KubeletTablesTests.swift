import KubeAPI
import NIOHTTP1
import Sockets
import Testing

@testable import VKAdapter

@Suite struct KubeletTablesTests {
    @Test(
        "paths",
        arguments: [
            ("/healthz", .healthz), ("/healthz/ping", .healthz), ("/healthz/x", .unknown), ("/pods", .pods),
            ("/pods/", .pods),
            ("/runningpods/", .runningPods),
            ("/containerLogs/ns/p/c", .containerLogs(namespace: "ns", pod: "p", container: "c")),
            ("/exec/ns/p/c", .exec(namespace: "ns", pod: "p", uid: nil, container: "c")),
            ("/exec/ns/p/u/c", .exec(namespace: "ns", pod: "p", uid: "u", container: "c")),
            ("/attach/ns/p/c", .attach(namespace: "ns", pod: "p", uid: nil, container: "c")),
            ("/portForward/ns/p", .portForward(namespace: "ns", pod: "p", uid: nil)),
            ("/portForward/ns/p/u", .portForward(namespace: "ns", pod: "p", uid: "u")),
            ("/run/ns/p/c", .run(namespace: "ns", pod: "p", uid: nil, container: "c")),
            ("/run/ns/p/u/c", .run(namespace: "ns", pod: "p", uid: "u", container: "c")),
            ("/checkpoint/ns/p/c", .checkpoint(namespace: "ns", pod: "p", container: "c")),
            ("/stats/summary", .statsSummary), ("/stats/summary/", .statsSummary), ("/stats", .unknown),
            ("/metrics", .metrics), ("/metrics/resource", .resourceMetrics), ("/metrics/cadvisor", .containerMetrics),
            ("/metrics/probes", .probeMetrics), ("/metrics/x", .unknown), ("/configz", .configz),
            ("/logs", .nodeLogs(path: "")), ("/logs/", .nodeLogs(path: "")), ("/logs/a/b", .nodeLogs(path: "a/b")),
            ("/", .unknown), ("/exec/ns/p", .unknown), ("/containerLogs/ns/p", .unknown), ("/exec/a/b/c/d/e", .unknown),
        ] as [(String, Route)])
    func routes(path: String, route: Route) { #expect(Route(path) == route) }

    @Test(
        "streaming URLs, with and without scheme and host",
        arguments: [
            ("http://127.0.0.1:4242/exec/T", false, "127.0.0.1", 4242, "/exec/T"),
            ("https://mac.example:7443/exec/T?a=b", true, "mac.example", 7443, "/exec/T?a=b"),
            ("//10.0.0.1:99/cri/exec/T", false, "10.0.0.1", 99, "/cri/exec/T"),
            ("http://[::1]:80/x", false, "::1", 80, "/x"), ("http:///exec/T", false, "h", 80, "/exec/T"),
            ("/exec/T", false, "h", 80, "/exec/T"), ("https://a", true, "a", 443, "/"),
        ] as [(String, Bool, String, Int, String)])
    func urls(text: String, isTLS: Bool, host: String, port: Int, target: String) throws {
        let url = try #require(RuntimeURL(text, defaultHost: "h"))
        #expect(url.isTLS == isTLS)
        #expect(url.endpoint == .tcp(host: host, port: port))
        #expect(url.target == target)
    }

    @Test(
        "what is no URL is refused",
        arguments: ["", "exec/T", "ftp://x/y", "http:x", "//a:0/x", "//a:port/x", "//a:99999/x"])
    func badURLs(text: String) { #expect(RuntimeURL(text, defaultHost: "h") == nil) }

    @Test(
        "log options are checked in the API's words",
        arguments: [
            ("tailLines", "-1", "must be greater than or equal to 0"), ("tailLines", "x", "must be greater"),
            ("limitBytes", "0", "must be greater than 0"), ("sinceSeconds", "0", "must be greater than 0"),
            ("sinceTime", "yesterday", "must be an RFC 3339 time"),
        ])
    func badOptions(name: String, value: String, text: String) {
        let error = #expect(throws: AdapterError.self) {
            try LogOptions(query: [(name, value)], now: Runtime.timestamp(0))
        }
        #expect(error?.message.hasPrefix("\(name): Invalid value: \(value)") == true)
        #expect(error?.message.contains(text) == true)
    }

    @Test("log options as they are sent")
    func options() throws {
        let now = Runtime.timestamp(100)
        let options = try LogOptions(
            query: [
                ("follow", "true"), ("previous", "1"), ("timestamps", "true"), ("tailLines", "0"), ("limitBytes", "9"),
                ("sinceSeconds", "40"),
            ],
            now: now)
        #expect(options.follow && options.previous && options.timestamps)
        #expect(options.tailLines == 0 && options.limitBytes == 9)
        #expect(options.since == Runtime.timestamp(60))
        #expect(throws: AdapterError.self) {
            try LogOptions(query: [("sinceSeconds", "1"), ("sinceTime", "2024-01-01T00:00:00Z")], now: now)
        }
    }

    static func status(_ configure: (inout ContainerStatus) -> Void) -> ContainerStatus {
        var status = ContainerStatus()
        status.name = "c"
        configure(&status)
        return status
    }
    static func ended(_ id: String) -> ContainerState.Terminated { .init { $0.containerID = id } }

    @Test(
        "whose log is meant, and the words where there is none",
        arguments: [
            (
                status {
                    $0.containerID = "a"; $0.restartCount = 2; $0.state.running = .init()
                }, false, "a", 2, ""
            ),
            (
                status {
                    $0.containerID = "a"; $0.state.terminated = ended("a")
                }, false, "a", 0, ""
            ),
            (
                status {
                    $0.containerID = "b"; $0.restartCount = 1; $0.state.running = .init();
                    $0.lastState.terminated = ended("a")
                }, true, "a", 0, ""
            ),
            (
                status {
                    $0.containerID = "b"; $0.restartCount = 1; $0.state = .waiting(reason: "CrashLoopBackOff")
                    $0.lastState.terminated = ended("b")
                }, false, "b", 1, ""
            ),
            (
                // It waits to be started again: the last run is the one before the next.
                status {
                    $0.containerID = "b"; $0.restartCount = 1; $0.state = .waiting(reason: "CrashLoopBackOff")
                    $0.lastState.terminated = ended("b")
                }, true, "b", 1, ""
            ),
            (
                status {
                    $0.state.running = .init(); $0.containerID = "a"
                }, true, "", 0, "previous terminated container \"c\" in pod \"web\" not found"
            ),
            (
                status { $0.state = .waiting(reason: "ContainerCreating") }, false, "", 0,
                "container \"c\" in pod \"web\" is waiting to start: ContainerCreating"
            ),
            (
                status { $0.state = .waiting(reason: "ErrImagePull") }, false, "", 0,
                "container \"c\" in pod \"web\" is waiting to start: image can't be pulled"
            ),
            (
                status { $0.state = .waiting(reason: "ImagePullBackOff") }, false, "", 0,
                "container \"c\" in pod \"web\" is waiting to start: trying and failing to pull image"
            ),
            (status { $0.state.terminated = ended("") }, false, "", 0, "container \"c\" in pod \"web\" is terminated"),
            (status { $0.name = "d" }, false, "", 0, "container \"c\" in pod \"web\" is not available"),
        ] as [(ContainerStatus, Bool, String, Int32, String)])
    func runs(status: ContainerStatus, previous: Bool, id: String, attempt: Int32, text: String) throws {
        let pod = Sample.pod { $0.status.containerStatuses = [status] }
        do {
            let run = try KubeletAPI.run(of: "c", in: pod, previous: previous)
            #expect(run == KubeletAPI.Run(containerID: id, attempt: attempt))
        } catch let refusal as KubeletAPI.Refusal {
            #expect(refusal.status == .badRequest)
            #expect(refusal.text == text)
        }
    }

    @Test("tokens are compared as a whole")
    func tokens() {
        #expect(TokenFileAuthenticator.areEqual(Array("abc".utf8), Array("abc".utf8)))
        for other in ["", "ab", "abd", "abcd"] {
            #expect(!TokenFileAuthenticator.areEqual(Array("abc".utf8), Array(other.utf8)))
        }
    }
}
