import HTTP
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import NIOPosix
import RPC
import Sockets
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct TracingTests {
    final class Kept: SpanExporter {
        let spans = NIOLockedValueBox<[Span]>([])
        func export(_ spans: [Span]) { self.spans.withLockedValue { $0 += spans } }
        func close() {}
        func named(_ name: String) -> Span? { spans.withLockedValue { $0.first { $0.name == name } } }
    }
    private struct Failed: Error {}
    private let logger = Logger(label: "test") { _ in SwiftLogNoOpLogHandler() }

    /// Runs work with a tracer, and ends when everything is told.
    private func tracing(
        _ text: String = "always", to exporter: any SpanExporter, limits: Tracer.Limits = .init(),
        _ work: (Tracer) async throws -> Void
    ) async throws {
        let tracer = Tracer(
            sampling: try #require(TraceSampling(text)), exporter: exporter, limits: limits, logger: logger)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await tracer.run() }
            try await work(tracer)
            group.cancelAll()
        }
    }

    @Test func `what happens within a span is below it, in tasks as well, and failures say why`() async throws {
        let kept = Kept()
        try await tracing(to: kept) { tracer in
            await tracer.span("outer", .inner, attributes: ["pod": "a/b"]) {
                await tracer.span("inner", .client) {}
                async let other: Void = tracer.span("in a task") {}
                await other
                do { try await tracer.span("fails") { () async throws in throw Failed() } } catch {}
            }
            await tracer.span("another") {}
        }
        let outer = try #require(kept.named("outer"))
        #expect(outer.parent == nil && outer.attributes == ["pod": "a/b"] && outer.failure == nil)
        for name in ["inner", "in a task", "fails"] {
            let span = try #require(kept.named(name))
            #expect(span.parent == outer.context.span && span.context.trace == outer.context.trace)
            #expect(span.start >= outer.start && span.end <= outer.end && span.end >= span.start)
        }
        #expect(kept.named("inner")?.kind == .client)
        #expect(kept.named("fails")?.failure?.contains("Failed") == true)
        #expect(kept.named("another")?.context.trace != outer.context.trace)
    }

    @Test func `what is not sampled is not told, and a full queue drops instead of growing`() async throws {
        let kept = Kept()
        try await tracing("never", to: kept) { tracer in
            await tracer.span("outer") { await tracer.span("inner") {} }
        }
        #expect(kept.spans.withLockedValue { $0.isEmpty })
        var limits = Tracer.Limits()
        limits.queue = 10
        limits.batch = 100
        try await tracing(to: kept, limits: limits) { tracer in
            for _ in 0..<50 { await tracer.span("s") {} }
        }
        #expect(kept.spans.withLockedValue { $0.count } == 10)
    }

    @Test(
        "sample rates",
        arguments: [
            ("always", 1), ("never", 0), ("0", 0), ("100", 1), ("12.5", 0.125), ("101", nil), ("-1", nil),
            ("often", nil),
        ] as [(String, Double?)])
    func rates(text: String, share: Double?) { #expect(TraceSampling(text)?.share == share) }

    @Test(
        "endpoints are read as OpenTelemetry and the reference write them",
        arguments: [
            ("otel:4317", false, nil, "otel", 4317, .grpc, true), ("otel:4317", true, nil, "otel", 4317, .grpc, false),
            ("otel", true, nil, "otel", 4317, .grpc, false),
            ("http://otel:4318", false, nil, "otel", 4318, .http(path: "/v1/traces"), false),
            ("https://otel/base/", false, nil, "otel", 443, .http(path: "/base/v1/traces"), true),
            ("http://otel:4317", false, true, "otel", 4317, .grpc, false),
            ("[::1]:4317", true, nil, "::1", 4317, .grpc, false),
        ] as [(String, Bool, Bool?, String, Int, TraceConfiguration.Transport, Bool)])
    func endpoints(
        text: String, isInsecure: Bool, wantsGRPC: Bool?, host: String, port: Int,
        transport: TraceConfiguration.Transport, isEncrypted: Bool
    ) throws {
        let sampling = try #require(TraceSampling("always"))
        let read = try #require(
            TraceConfiguration(
                text, isInsecure: isInsecure, wantsGRPC: wantsGRPC, serviceName: "s", sampling: sampling))
        #expect(read.endpoint == .tcp(host: host, port: port))
        #expect(read.transport == transport && read.isEncrypted == isEncrypted)
        for wrong in ["", "http://", "a:b", "a:0", "a b:1"] {
            #expect(TraceConfiguration(wrong, isInsecure: true, serviceName: "s", sampling: sampling) == nil)
        }
    }

    @Test func `a message is what a collector reads`() {
        let context = Span.Context(trace: .init(high: 1, low: 2), span: 3, isSampled: true)
        var span = Span(context: context, parent: 4, name: "n", kind: .client, attributes: ["k": "v"], start: 5, end: 6)
        span.failure = "f"
        let id: (UInt8) -> [UInt8] = { [0, 0, 0, 0, 0, 0, 0, $0] }
        let parts: [[UInt8]] = [
            [10, 16], id(1), id(2), [18, 8], id(3), [34, 8], id(4), [42, 1, 110, 48, 3],
            [57, 5, 0, 0, 0, 0, 0, 0, 0, 65, 6, 0, 0, 0, 0, 0, 0, 0],
            [74, 8, 10, 1, 107, 18, 3, 10, 1, 118], [122, 5, 18, 1, 102, 24, 2],
        ]
        let encoded = Array(parts.joined())
        let message = TraceMessage(service: "s", node: "", version: "1", spans: [span]).bytes
        let field: [UInt8] = [18, UInt8(encoded.count)]
        #expect(message.firstRange(of: field + encoded) != nil)
        #expect(message.firstRange(of: Array("service.name".utf8)) != nil)
        #expect(message.first == 10)
    }

    @Test("spans arrive at a collector, over HTTP and over gRPC", arguments: [false, true])
    func arrive(overGRPC: Bool) async throws {
        let got = NIOLockedValueBox<[[UInt8]]>([])
        let group = MultiThreadedEventLoopGroup.singleton
        let sampling = try #require(TraceSampling("always"))
        func export(to endpoint: Endpoint) async throws {
            guard case .tcp(_, let port) = endpoint else { return }
            var configuration = try #require(
                TraceConfiguration(
                    overGRPC ? "127.0.0.1:\(port)" : "http://127.0.0.1:\(port)", isInsecure: true, serviceName: "s",
                    sampling: sampling))
            configuration.headers = ["x-key": "secret"]
            let exporter = try TraceExporter(configuration, node: "n", version: "1", group: group, logger: logger)
            try await tracing(to: exporter) { tracer in await tracer.span("a span of mine") {} }
        }
        if overGRPC {
            var router = Router()
            router.handle(
                UnaryMethod<EncodedMessage, EncodedMessage>(
                    service: "opentelemetry.proto.collector.trace.v1.TraceService", name: "Export")
            ) { request, _ in
                got.withLockedValue { $0.append(request.bytes) }
                return .now(EncodedMessage())
            }
            let server = RPCServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], router: router, logger: logger, group: group)
            try await export(to: try #require(try await server.start().first))
            await server.drain(within: .zero)
        } else {
            let server = HTTPServer(
                listeners: [.tcp(host: "127.0.0.1", port: 0)], drainTime: .zero, logger: logger, group: group
            ) { request in
                guard request.method == .POST, request.path == "/v1/traces",
                    request.headers.first(name: "content-type") == "application/x-protobuf",
                    request.headers.first(name: "x-key") == "secret"
                else { return HTTPResponse(.badRequest) }
                let bytes = Array(buffer: try await request.body.collect(upTo: 1 << 20))
                got.withLockedValue { $0.append(bytes) }
                return HTTPResponse(.ok)
            }
            try await export(to: try #require(try await server.start().first))
            await server.drain(within: .zero)
        }
        let message = try #require(got.withLockedValue { $0.first })
        #expect(message.firstRange(of: Array("a span of mine".utf8)) != nil)
    }
}
