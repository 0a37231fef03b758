import Foundation
import HostFiles
import KubeAPI
import NIOConcurrencyHelpers
import NIOCore
import Support
import Testing

@testable import VKAdapter

/// What every place for the logs of containers promises.
@Suite(.timeLimit(.minutes(2))) struct LogHostContract {
    private func with(_ side: Side, _ body: @escaping @Sendable (any LogHost, String) async throws -> Void)
        async throws
    {
        switch side {
        case .local:
            try await withTemporaryDirectory { try await body(LocalLogHost(), $0 + "/logs") }
        case .remote:
            try await HostServer.with { try await body(RemoteLogHost(host: $0.host()), $0.logs) }
        }
    }

    private func write(_ lines: [String], to path: String) throws {
        try FileManager.default.createDirectory(
            atPath: String(path[..<path.lastIndex(of: "/")!]), withIntermediateDirectories: true)
        let text = lines.enumerated().map { "2024-05-06T07:08:0\($0.offset).000000000Z stdout F \($0.element)\n" }
        try Data(text.joined().utf8).write(to: URL(filePath: path))
    }

    private func read(_ host: any LogHost, _ log: String, _ change: (inout LogOptions) -> Void = { _ in })
        async throws -> String
    {
        var options = LogOptions()
        change(&options)
        let text = NIOLockedText()
        try await host.read(log, options, isRunning: { false }, write: { text.append($0) })
        return text.suffix(.max)
    }

    @Test(arguments: Side.allCases)
    func `a log is read as it is asked for`(side: Side) async throws {
        try await with(side) { host, logs in
            let log = logs + "/default_p_u/c/0.log"
            try write(["one", "two", "three"], to: log)
            #expect(try await read(host, log) == "one\ntwo\nthree\n")
            #expect(try await read(host, log) { $0.tailLines = 1 } == "three\n")
            #expect(try await read(host, log) { $0.tailLines = 0 } == "")
            #expect(try await read(host, log) { $0.limitBytes = 5 } == "one\nt")
            #expect(
                try await read(host, log) { $0.since = Timestamp(rfc3339: "2024-05-06T07:08:01Z") } == "two\nthree\n")
            #expect(
                try await read(host, log) {
                    $0.timestamps = true
                    $0.tailLines = 1
                } == "2024-05-06T07:08:02.000000000Z three\n")
            // What is followed ends with its container.
            #expect(try await read(host, log) { $0.follow = true } == "one\ntwo\nthree\n")
            #expect(try await host.tail(log, bytes: 6, lines: 80) == "three\n")
            #expect(try await host.exists(log))
        }
    }

    @Test(arguments: Side.allCases)
    func `one of a log's streams is read without the other`(side: Side) async throws {
        try await with(side) { host, logs in
            let log = logs + "/default_p_u/c/0.log"
            try write([], to: log)
            let entries = ["stdout F one", "stderr F two", "stdout P thr", "stderr F four", "stdout F ee"]
            let text = entries.map { "2024-05-06T07:08:09.000000000Z \($0)\n" }.joined()
            try Data(text.utf8).write(to: URL(filePath: log))
            #expect(try await read(host, log) { $0.stream = .stdout } == "one\nthree\n")
            #expect(try await read(host, log) { $0.stream = .stderr } == "two\nfour\n")
            #expect(
                try await read(host, log) {
                    $0.stream = .stderr
                    $0.limitBytes = 6
                } == "two\nfo")
            #expect(try await read(host, log) == "one\ntwo\nthrfour\nee\n")
        }
    }

    @Test(arguments: Side.allCases)
    func `what is not there is said so, and removing it again is fine`(side: Side) async throws {
        try await with(side) { host, logs in
            let log = logs + "/default_p_u/c/0.log"
            try write(["x"], to: log)
            try await host.remove(log: log)
            try await host.remove(log: log)
            #expect(try await !host.exists(log))
            #expect(try await host.tail(log, bytes: 10, lines: 10) == "")
            await #expect(throws: (any Error).self) { try await read(host, log) }
            try write(["x"], to: log)
            try await host.remove(podDirectory: logs + "/default_p_u")
            try await host.remove(podDirectory: logs + "/default_p_u")
            #expect(!FileManager.default.fileExists(atPath: logs + "/default_p_u"))
        }
    }

    @Test func `a large log comes whole to a slow reader`() async throws {
        try await HostServer.with { server in
            let log = server.logs + "/default_p_u/c/0.log"
            let line = String(repeating: "l", count: 9_999)
            try FileManager.default.createDirectory(
                atPath: server.logs + "/default_p_u/c", withIntermediateDirectories: true)
            let entry = "2024-05-06T07:08:09.000000000Z stdout F \(line)\n"
            try Data(String(repeating: entry, count: 2000).utf8).write(to: URL(filePath: log))
            let count = NIOLockedValueBox(0)
            let host = RemoteLogHost(host: server.host())
            try await host.read(log, LogOptions(), isRunning: { false }) { text in
                count.withLockedValue { $0 += text.readableBytes }
                await Task.yield()
            }
            #expect(count.withLockedValue { $0 } == 2000 * 10_000)
        }
    }

    @Test func `a host serves and removes logs below its directory only`() async throws {
        try await HostServer.with { server async throws in
            let host = RemoteLogHost(host: server.host())
            let secret = server.directory + "/secret"
            try write(["secret"], to: secret)
            try write(["x"], to: server.logs + "/default_p_u/c/0.log")
            symlink(secret, server.logs + "/default_p_u/link.log")
            symlink(server.directory, server.logs + "/out")
            let paths = [
                "", "/", "/etc/passwd", secret, server.logs, server.logs + "/", server.logs + "/../secret",
                server.logs + "/default_p_u/../../secret", server.logs + "//x", server.logs + "x/y",
            ]
            for path in paths {
                let read = await #expect(throws: AdapterError.self, "\(path)") { try await host.exists(path) }
                #expect(read?.code == .invalidArgument, "\(path)")
                let removal = await #expect(throws: AdapterError.self, "\(path)") { try await host.remove(log: path) }
                #expect(removal?.code == .invalidArgument, "\(path)")
            }
            for path in ["/default_p_u/link.log", "/out/secret"] {
                let error = await #expect(throws: AdapterError.self) { try await host.exists(server.logs + path) }
                #expect(error?.code == .invalidArgument, "\(path)")
            }
            // A link is removed, not what it leads to; and none is followed on the way.
            try await host.remove(log: server.logs + "/default_p_u/link.log")
            await #expect(throws: AdapterError.self) { try await host.remove(log: server.logs + "/out/secret") }
            #expect(FileManager.default.fileExists(atPath: secret))
        }
    }
}
