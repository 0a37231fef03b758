import Logging
import NIOCore

/// Pairs the streams of forwarded connections and serves them.
struct PortForwardServer: Sendable {
    let session: SPDYSession
    let limits: StreamingLimits
    let logger: Logger
    let backend: PortForwardBackend

    func run() async {
        let pairs = StreamPairs()
        await withTaskGroup(of: Void.self) { sessionGroup in
            sessionGroup.addTask { await session.run() }
            sessionGroup.addTask {
                await session.waitForSilence(limits.idle)
                guard !Task.isCancelled else { return }
                logger.info("a port forwarder was silent for too long and was disconnected")
                await session.abort()
            }
            // Connections come and go by the thousand: what is over must leave nothing behind.
            await withDiscardingTaskGroup { group in
                for await stream in session.incoming { take(stream, pairs, &group) }
                // The connection has ended, and every stream with it.
                group.cancelAll()
            }
            await session.close(within: .seconds(2))
            sessionGroup.cancelAll()
        }
    }

    private func take(_ stream: SPDYStream, _ pairs: StreamPairs, _ group: inout DiscardingTaskGroup) {
        let isError = stream.headers["streamtype"]?.lowercased() == "error"
        guard isError || stream.headers["streamtype"]?.lowercased() == "data",
            let port = stream.headers["port"].flatMap(UInt16.init), port > 0
        else { return stream.reset() }
        // Clients of old name no request: their data stream follows its error stream.
        let id = stream.headers["requestid"] ?? "stream \(isError ? stream.id : stream.id &- 2)"
        switch pairs.add(stream, isError: isError, id: id) {
        case .complete(let error, let data): group.addTask { await serve(error, data, Int(port)) }
        case .duplicate: stream.reset()
        case .half:
            group.addTask {
                do { try await Task.sleep(for: limits.streamCreation) } catch { return }
                if pairs.remove(stream, id: id) {
                    logger.debug("half a forwarded connection was dropped", metadata: ["port": "\(port)"])
                    stream.reset()
                }
            }
        }
    }

    private enum Ending: Sendable {
        case served, callerLeft
        case failed(any Error)
    }

    private func serve(_ error: SPDYStream, _ data: SPDYStream, _ port: Int) async {
        let connection = PortConnection(
            inbound: data.inbound, write: { try await data.write($0) }, closeOutput: { try await data.closeOutput() },
            close: { data.reset() })
        let ending = await withTaskGroup(of: Ending.self) { group in
            group.addTask {
                do {
                    try await backend(port, connection)
                    return .served
                } catch let failure {
                    return .failed(failure)
                }
            }
            group.addTask {
                do { try await data.waitUntilBroken() } catch {}
                return .callerLeft
            }
            let first = await group.next() ?? .callerLeft
            // Kubernetes' client resets the data once the far side has ended its output, and then waits for the end of
            // the error stream: that is no failure, and must not wait for the backend to wind up.
            if case .callerLeft = first { await end(error) }
            group.cancelAll()
            return first
        }
        do {
            switch ending {
            case .callerLeft: break
            case .served:
                try await data.closeOutput()
                try await error.closeOutput()
            case .failed(let failure):
                logger.debug("forwarding a port failed", metadata: ["port": "\(port)", "error": "\(failure)"])
                // The text first: the client looks for it when the data has ended.
                try await error.write(ByteBuffer(string: "error forwarding port \(port): \(failure)"))
                try await error.closeOutput()
                data.reset()
            }
        } catch {
            logger.debug("a forwarded connection ended after its caller had gone", metadata: ["error": "\(error)"])
        }
        data.forget()
        error.forget()
    }

    private func end(_ stream: SPDYStream) async {
        // Fails only when there is nobody left to tell.
        do { try await stream.closeOutput() } catch {}
    }
}
