import FoundationEssentials
import HTTP
import Logging
import NIOCore

/// One exec or attach over a connection.
struct RemoteCommandServer: Sendable {
    let session: any CommandSession
    let options: RemoteCommandOptions
    /// Of the channel protocol.
    let version: Int
    let limits: StreamingLimits
    let logger: Logger

    private enum Event: Sendable { case finished, connectionEnded, silent }

    func run(_ backend: @escaping RemoteCommandBackend) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await session.run() }
            if await serve(backend) { await session.close(within: .seconds(10)) } else { await session.abort() }
            group.cancelAll()
        }
    }

    /// - Returns: whether the command ended and its caller was told.
    private func serve(_ backend: @escaping RemoteCommandBackend) async -> Bool {
        guard let streams = await session.streams(for: options, version: version, within: limits.streamCreation) else {
            logger.debug("a caller opened too few streams and was disconnected")
            await session.close(within: .seconds(2))
            return false
        }
        session.acceptNoMore()
        let (resizes, resizesIn) = AsyncStream.makeStream(of: TerminalSize.self, bufferingPolicy: .bufferingNewest(4))
        let io = RemoteCommandIO(
            stdin: streams.stdin?.inbound, stdout: streams.stdout.map(Self.sink), stderr: streams.stderr.map(Self.sink),
            resizes: resizes)
        return await withTaskGroup(of: Event?.self) { group in
            group.addTask {
                let result = await backend(io)
                // Input that the command left must not keep us from reading on.
                streams.stdin?.inbound.abandon()
                await tell(result, streams)
                return .finished
            }
            group.addTask {
                // Callers leave the error stream open; it breaks with the connection.
                do { try await streams.error.waitUntilBroken() } catch {}
                return .connectionEnded
            }
            group.addTask {
                await session.waitForSilence(limits.idle)
                return .silent
            }
            if let resize = streams.resize {
                group.addTask {
                    await Self.readSizes(resize, resizesIn)
                    return nil
                }
            }
            defer {
                group.cancelAll()
                resizesIn.finish()
            }
            while let ended = await group.next() {
                switch ended {
                case nil: continue
                case .finished?: return !Task.isCancelled
                case .connectionEnded?: return false
                case .silent?:
                    if !Task.isCancelled {
                        logger.info("a command's caller was silent for too long and was disconnected")
                    }
                    return false
                }
            }
            return false
        }
    }

    /// Ends the output, then says how the command ended.
    private func tell(_ result: RemoteCommandResult, _ streams: CommandStreams) async {
        do {
            try await streams.stdout?.closeOutput()
            try await streams.stderr?.closeOutput()
            if let status = CommandStatus.encode(result, version: version) { try await streams.error.write(status) }
            try await streams.error.closeOutput()
        } catch {
            logger.debug("a command ended after its caller had gone", metadata: ["error": "\(error)"])
        }
    }

    private static func sink(_ stream: any SessionStream) -> OutputSink { OutputSink { try await stream.write($0) } }

    private struct Size: Decodable {
        let Width: UInt16
        let Height: UInt16
    }

    /// JSON objects one after the other.
    private static func readSizes(_ stream: any SessionStream, _ sizes: AsyncStream<TerminalSize>.Continuation) async {
        var text: [UInt8] = []
        do {
            for try await bytes in stream.inbound {
                text += bytes.readableBytesView
                while let end = text.firstIndex(of: UInt8(ascii: "}")) {
                    let size = try JSONDecoder().decode(Size.self, from: Data(text[...end]))
                    text.removeSubrange(...end)
                    sizes.yield(TerminalSize(width: Int(size.Width), height: Int(size.Height)))
                }
                guard text.count < 4096 else { break }
            }
        } catch {
            // The connection's end is noticed elsewhere; a size that is none ends the sizes.
        }
        // Nothing more of it is wanted, and it must not fill up.
        stream.inbound.abandon()
    }
}
