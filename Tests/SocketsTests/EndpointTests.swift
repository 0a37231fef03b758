import Sockets
import Testing

@Suite struct EndpointTests {
    @Test(
        "reads every documented form",
        arguments: [
            ("unix:///run/cri.sock", Endpoint.unix(path: "/run/cri.sock")),
            ("unix:/run/cri.sock", .unix(path: "/run/cri.sock")),
            ("/run/cri.sock", .unix(path: "/run/cri.sock")),
            ("tcp://127.0.0.1:7443", .tcp(host: "127.0.0.1", port: 7443)),
            ("tcp://[::1]:7443", .tcp(host: "::1", port: 7443)),
        ])
    func reads(text: String, endpoint: Endpoint) throws {
        #expect(try Endpoint(parsing: text) == endpoint)
    }

    @Test(
        "refuses what it cannot mean",
        arguments: [
            "", "run.sock", "unix://", "unix:run", "tcp://host", "tcp://:1", "tcp://h:70000", "tcp://::1:80",
            "http://h:1",
        ])
    func refuses(text: String) {
        #expect(throws: SocketError.self) { try Endpoint(parsing: text) }
    }
}
