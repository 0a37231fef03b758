import HTTP
import HostFiles
import Logging
import Measuring
import NIOCore
import NIOHTTP1
import NIOPosix
import TLS

/// A container's log as the kubelet API serves it, beside a file that holds what comes out of it, which is sent as it is:
/// the same bytes through the same HTTPS server to the same client, in interleaved rounds. What is left is the work of
/// reading a log.
///
///     log-bench DIRECTORY MEGABYTES ROUNDS
enum LogBench {
    private static let chunk = 256 << 10
    private static let group = MultiThreadedEventLoopGroup.singleton
    private static let logger = Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() }

    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let size = Int(arguments[2]), let rounds = Int(arguments[3]), size > 0, rounds > 0
        else { fail("usage: log-bench DIRECTORY MEGABYTES ROUNDS") }
        do {
            let files = try LogFiles(in: arguments[1], bytes: size * 1_000_000)
            try await serving(files, arguments[1]) { client in
                try await compare(
                    "\(size) MB of log over HTTPS, median of \(rounds) rounds", rounds, "/log", beside: "/plain",
                    bytes: files.plainBytes, client)
                try await compare(
                    "the same with times", rounds, "/log?timestamps=true", beside: "/timed", bytes: files.timedBytes,
                    client)
            }
        } catch {
            fail("\(error)")
        }
    }

    private static func fetch(_ client: HTTPClient, _ target: String) async throws -> Int {
        let answer = try await client.execute(.GET, target, timeout: .seconds(10))
        var count = 0
        for try await bytes in answer.body { count += bytes.readableBytes }
        return count
    }

    private static func serving(
        _ files: LogFiles, _ directory: String, _ body: (HTTPClient) async throws -> Void
    ) async throws {
        let made = try SelfSignedCertificate.make(names: ["127.0.0.1"], directory: directory + "/tls")
        let tls = try TLSContext.server(.init(certificateFile: made.certificateFile, keyFile: made.keyFile))
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: 0, tls: tls)], drainTime: .zero, logger: logger, group: group
        ) { request in
            HTTPResponse(
                .ok, headers: ["content-type": "text/plain"],
                body: .stream { writer in
                    if request.path == "/log" {
                        var options = LogReadOptions()
                        options.timestamps = request.queryValue("timestamps") == "true"
                        try await LogReader(path: files.log, options: options).run { try await writer.write($0) }
                    } else {
                        try await send(request.path == "/timed" ? files.timed : files.plain, writer)
                    }
                })
        }
        guard let endpoint = try await server.start().first else { fail("the server does not listen") }
        let trust = try TLSContext.client(.init(caFile: made.certificateFile))
        let client = HTTPClient(endpoint: endpoint, tls: trust, group: group)
        try await body(client)
        await client.close()
        await server.drain(within: .zero)
    }

    /// A file as it is.
    private static func send(_ path: String, _ writer: HTTPBodyWriter) async throws {
        var offset: Int64 = 0
        while true {
            let from = offset
            let bytes = try await NIOThreadPool.singleton.runIfActive { try LogFiles.read(path, from, chunk) }
            guard bytes.readableBytes > 0 else { return }
            offset += Int64(bytes.readableBytes)
            try await writer.write(bytes)
        }
    }

    /// Who goes first changes from round to round. The first round only warms both sides.
    private static func compare(
        _ what: String, _ rounds: Int, _ target: String, beside plain: String, bytes: Int, _ client: HTTPClient
    ) async throws {
        var (logs, raw): ([Double], [Double]) = ([], [])
        let clock = ContinuousClock()
        func read(_ target: String) async throws {
            let count = try await fetch(client, target)
            guard count == bytes else {
                throw BenchError(description: "\(count) bytes of \(bytes) came of \(target)")
            }
        }
        for round in 0...rounds {
            var (ours, peers) = (Duration.zero, Duration.zero)
            if round % 2 == 0 { peers = try await clock.measure { try await read(plain) } }
            ours = try await clock.measure { try await read(target) }
            if round % 2 == 1 { peers = try await clock.measure { try await read(plain) } }
            if round == 0 { continue }
            logs.append(ours / .seconds(1))
            raw.append(peers / .seconds(1))
        }
        let (mine, peers) = (Measuring.median(logs), Measuring.median(raw))
        let ratio = mine / peers
        let limit = 1.5
        print(
            "\(what): \(Measuring.text(mine)) s, its text as a plain file \(Measuring.text(peers)) s: "
                + "\(Measuring.text(ratio)) of its time; wanted at most \(Measuring.text(limit)): "
                + "\(ratio <= limit ? "met" : "missed")")
    }

    private static func fail(_ text: String) -> Never { Measuring.fail("log-bench", text) }
}
