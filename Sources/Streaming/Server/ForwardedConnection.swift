import Logging
import NIOCore

/// A connection that is forwarded to a port: its bytes, and what is told when it fails.
struct ForwardedConnection: Sendable {
    let error: any SessionStream
    let data: any SessionStream
    let port: Int
    let logger: Logger

    private enum Ending: Sendable {
        case served, callerLeft
        case failed(any Error)
    }

    /// Returns when it has ended and the caller was told how.
    func serve(_ backend: @escaping PortForwardBackend) async {
        let (error, data, port) = (error, data, port)
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

    private func end(_ stream: any SessionStream) async {
        // Fails only when there is nobody left to tell.
        do { try await stream.closeOutput() } catch {}
    }
}
