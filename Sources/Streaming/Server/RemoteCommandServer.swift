import FoundationEssentials
public import HTTP
public import Logging
import NIOCore
import NIOHTTP1

/// The channel protocols of exec and attach, newest first, with their versions.
enum ChannelProtocol {
    static let all: [(name: String, version: Int)] = [
        ("v4.channel.k8s.io", 4), ("v3.channel.k8s.io", 3), ("v2.channel.k8s.io", 2), ("channel.k8s.io", 1),
    ]
    static let portForward = "portforward.k8s.io"
    static let header = "x-stream-protocol-version"
    static let spdy = "SPDY/3.1"

    /// What the client asked for, in its order; header values may be lists.
    static func offered(_ headers: HTTPHeaders) -> [String] { headers[canonicalForm: header].map(String.init) }
}

/// How long and how much a session may wait.
public struct StreamingLimits: Sendable {
    /// For the client to open its streams after the upgrade.
    public var streamCreation: Duration = .seconds(30)
    /// Without a byte in either direction.
    public var idle: Duration = .seconds(4 * 3600)

    public init() {}
}

/// Answers a request for exec or attach: an upgrade to SPDY/3.1 that connects the caller to `backend`, or an error that
/// says what the request lacks.
public func serveRemoteCommand(
    _ request: HTTPRequest, options: RemoteCommandOptions, limits: StreamingLimits = .init(), logger: Logger,
    backend: @escaping RemoteCommandBackend
) -> HTTPResponse {
    if let refusal = refuseUnlessSPDY(request) { return refusal }
    let offered = ChannelProtocol.offered(request.headers)
    let chosen = offered.compactMap { name in ChannelProtocol.all.first { $0.name == name } }.first
    guard let chosen = chosen ?? (offered.isEmpty ? ChannelProtocol.all.last : nil) else {
        return HTTPResponse(
            .forbidden, headers: ["x-accepted-stream-protocol-versions": ChannelProtocol.all.map(\.name).joined(separator: ", ")],
            body: .bytes(ByteBuffer(string: "none of the offered stream protocols is spoken here: \(offered.joined(separator: ", "))\n")))
    }
    return .upgrade(to: ChannelProtocol.spdy, headers: [ChannelProtocol.header: chosen.name]) { connection in
        let server = RemoteCommandServer(
            session: SPDYSession(connection, role: .server), options: options, version: chosen.version, limits: limits, logger: logger)
        await server.run(backend)
    }
}

func refuseUnlessSPDY(_ request: HTTPRequest) -> HTTPResponse? {
    guard let upgrade = request.upgrade else {
        return HTTPResponse(.badRequest, text: "this address wants a connection upgrade to \(ChannelProtocol.spdy)\n")
    }
    guard upgrade.lowercased() == ChannelProtocol.spdy.lowercased() else {
        return HTTPResponse(.badRequest, text: "an upgrade to \(upgrade) is not possible here: use \(ChannelProtocol.spdy)\n")
    }
    return nil
}

/// One exec or attach over a SPDY connection.
struct RemoteCommandServer: Sendable {
    let session: SPDYSession
    let options: RemoteCommandOptions
    let version: Int
    let limits: StreamingLimits
    let logger: Logger

    private enum Event: Sendable {
        case connectionEnded, silent
        case finished(RemoteCommandResult)
    }

    func run(_ backend: @escaping RemoteCommandBackend) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.run() }
            await serve(backend)
            await session.close()
            group.cancelAll()
        }
    }

    private func serve(_ backend: @escaping RemoteCommandBackend) async {
        guard let streams = await collectStreams() else {
            return logger.debug("a client opened too few streams and was disconnected")
        }
        let (resizes, resizesIn) = AsyncStream.makeStream(of: TerminalSize.self, bufferingPolicy: .bufferingNewest(4))
        let io = RemoteCommandIO(
            stdin: streams["stdin"]?.inbound, stdout: streams["stdout"].map(Self.sink), stderr: streams["stderr"].map(Self.sink),
            resizes: resizes)
        let result = await withTaskGroup(of: Event.self) { group -> RemoteCommandResult? in
            group.addTask { .finished(await backend(io)) }
            group.addTask {
                // The end of the error stream's input comes with the end of the connection: clients leave it open.
                await streams["error"]!.waitForConnectionEnd()
                return .connectionEnded
            }
            group.addTask {
                await session.waitForSilence(limits.idle)
                return .silent
            }
            if let resize = streams["resize"] {
                group.addTask { [isDone = streams["error"]!] in
                    await Self.readSizes(resize, resizesIn)
                    await isDone.waitForConnectionEnd()
                    return .connectionEnded
                }
            }
            defer {
                group.cancelAll()
                resizesIn.finish()
            }
            if case .finished(let result)? = await group.next() { return result }
            return nil
        }
        guard let result else { return }
        for name in ["stdout", "stderr"] { try? await streams[name]?.closeOutput() }
        if let status = CommandStatus.encode(result, version: version) { try? await streams["error"]?.write(status) }
        try? await streams["error"]?.closeOutput()
    }

    private static func sink(_ stream: SPDYStream) -> OutputSink { OutputSink { try await stream.write($0) } }

    /// The streams the options call for, by type; nil when the client does not open them in time.
    private func collectStreams() async -> [String: SPDYStream]? {
        var expected: Set<String> = ["error"]
        if options.stdin { expected.insert("stdin") }
        if options.stdout { expected.insert("stdout") }
        if options.stderr, !options.tty { expected.insert("stderr") }
        if options.tty, version >= 3 { expected.insert("resize") }
        let wanted = expected
        return await withTaskGroup(of: [String: SPDYStream]?.self) { group in
            group.addTask {
                var streams: [String: SPDYStream] = [:]
                for await stream in session.incoming {
                    streams[stream.headers["streamtype"] ?? ""] = stream
                    if wanted.isSubset(of: streams.keys) { return streams }
                }
                return nil
            }
            group.addTask {
                try? await Task.sleep(for: limits.streamCreation)
                return nil
            }
            defer { group.cancelAll() }
            return await group.next() ?? nil
        }
    }

    private struct Size: Decodable {
        let Width: Int
        let Height: Int
    }

    /// JSON objects one after the other.
    private static func readSizes(_ stream: SPDYStream, _ sizes: AsyncStream<TerminalSize>.Continuation) async {
        var buffer = ""
        do {
            for try await bytes in stream.inbound {
                buffer += String(buffer: bytes)
                while let end = buffer.firstIndex(of: "}") {
                    let text = buffer[...end]
                    buffer = String(buffer[buffer.index(after: end)...])
                    if let size = try? JSONDecoder().decode(Size.self, from: Data(text.utf8)) {
                        sizes.yield(TerminalSize(width: size.Width, height: size.Height))
                    }
                }
                guard buffer.utf8.count < 4096 else { return }
            }
        } catch {
            // The connection's end is noticed elsewhere.
        }
    }
}
