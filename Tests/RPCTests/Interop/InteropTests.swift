import Foundation
import Logging
import NIOCore
import RPC
import Sockets
import Support
import Testing

/// Against the reference implementation (grpcio) and an independent HTTP/2 client (nghttp).
@Suite struct InteropTests {
    private static let python = "/usr/bin/python3"
    private static let inCI = ProcessInfo.processInfo.environment["CI"] != nil
    private static let hasGRPCIO: Bool = {
        (try? ChildProcess(python, ["-c", "import grpc"]))?.waitBlocking().code == 0
    }()
    private static let nghttp = "/usr/bin/nghttp"
    private static let hasNGHTTP = FileManager.default.isExecutableFile(atPath: nghttp)

    private static func script(_ name: String) -> String {
        URL(filePath: #filePath).deletingLastPathComponent().appending(path: name).path
    }

    @Test(
        .enabled(if: hasGRPCIO || inCI, "skipped, because Python's grpcio is not installed (make deps)"),
        arguments: [false, true])
    func `a grpcio client finds every status, limit and stream as it should be`(tcp: Bool) async throws {
        try await Harness.run(tcp: tcp) { harness async throws in
            let target =
                switch harness.endpoint {
                case .unix(let path): "unix://\(path)"
                case .tcp(let host, let port): "\(host):\(port)"
                }
            let outcome = try await ChildProcess.run(
                Self.python, [Self.script("client.py"), target], limit: .seconds(120))
            #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
            try await eventually("no handler is left running") { harness.service.running == 0 }
        }
    }

    @Test(.enabled(if: hasGRPCIO || inCI, "skipped, because Python's grpcio is not installed (make deps)"))
    func `our client finds a grpcio server as it should be`() async throws {
        try await withTemporaryDirectory { directory in
            let server = try ChildProcess(Self.python, [Self.script("server.py"), "unix://\(directory)/s"])
            defer { server.send(SIGKILL) }
            try await eventually("the server listens") { server.output.contains("ready") || !server.isRunning }
            let client = RPCClient(
                endpoint: .unix(path: directory + "/s"), group: Harness.group, logger: Logger(label: "test"))
            func call(_ method: String, _ request: Blob, metadata: Metadata = [:], timeout: Duration? = .seconds(30))
                async throws -> Blob
            {
                try await client.call(TestService.unary(method), request, metadata: metadata, timeout: timeout)
            }
            #expect(try await call("Echo", Blob("hello")).text == "hello")
            #expect(try await call("Echo", Blob("")).text == "")
            for code in 1...16 {
                let error = await status { _ = try await call("Fail", Blob("\(code) 100 % of café")) }
                #expect(error?.code.rawValue == code)
                #expect(error?.message == "100 % of café")
                #expect(error?.metadata["x-detail"] == "kept")
            }
            #expect(await status { _ = try await call("Nothing", Blob("")) }?.code == .unimplemented)
            var metadata = Metadata()
            metadata.add("x-name", "one")
            metadata.add("x-name", "two")
            #expect(try await call("Metadata", Blob("x-name"), metadata: metadata).text == "one|two")
            let left = Int64(try await call("Deadline", Blob("")).text) ?? 0
            #expect((1...30_000_000_000).contains(left))
            #expect(
                await status { _ = try await call("Hang", Blob(""), timeout: .milliseconds(100)) }?.code
                    == .deadlineExceeded)
            #expect(try await call("Count", Blob([UInt8](repeating: 1, count: 5 << 20))).text == "\(5 << 20)")
            #expect(try await call("Size", Blob("\(5 << 20)")).bytes.count == 5 << 20)
            #expect(await status { _ = try await call("Size", Blob("\((16 << 20) + 1)")) }?.code == .resourceExhausted)
            var numbers: [String] = []
            for try await blob in try client.stream(TestService.streaming("Numbers"), Blob("500")) {
                numbers.append(blob.text)
            }
            #expect(numbers == (0..<500).map(String.init))
            var received = 0
            for try await blob in try client.stream(TestService.streaming("Flood"), Blob("\(20 << 20)")) {
                received += blob.bytes.count
            }
            #expect(received == 20 << 20)
            let silent = try await client.openStream(TestService.streaming("Silent"), Blob(""))
            async let reading = status { for try await _ in silent {} }
            server.send(SIGKILL)
            #expect(await reading?.code == .unavailable)
            await client.close()
        }
    }

    @Test(.enabled(if: hasNGHTTP || inCI, "skipped, because nghttp is not installed (make deps)"))
    func `an independent HTTP/2 client finds no fault`() async throws {
        try await Harness.run(tcp: true) { harness async throws in
            try await withTemporaryDirectory { directory in
                guard case .tcp(let host, let port) = harness.endpoint else { return }
                try Data([0, 0, 0, 0, 2] + Array("hi".utf8)).write(to: URL(filePath: directory + "/request"))
                let outcome = try await ChildProcess.run(
                    Self.nghttp,
                    [
                        "-v", "-d", directory + "/request", "-H", "content-type: application/grpc", "-H",
                        "te: trailers",
                        "http://\(host):\(port)/test.Service/Echo",
                    ], limit: .seconds(20))
                #expect(outcome.code == 0)
                #expect(outcome.output.contains(":status: 200"))
                #expect(outcome.output.contains("grpc-status: 0"))
                let get = try await ChildProcess.run(
                    Self.nghttp, ["-v", "http://\(host):\(port)/test.Service/Echo"], limit: .seconds(20))
                #expect(get.output.contains(":status: 415"))
            }
        }
    }
}
