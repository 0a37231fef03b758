import Logging

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
        case .complete(let error, let data):
            let forwarded = ForwardedConnection(error: error, data: data, port: Int(port), logger: logger)
            group.addTask { await forwarded.serve(backend) }
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
}
