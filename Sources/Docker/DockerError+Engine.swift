import HTTP
import NIOCore
import Sockets

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension DockerError.Code {
    /// What an answer of the engine with this HTTP status means.
    init(status: UInt) {
        self =
            switch status {
            case 304: .notModified
            case 400: .invalidArgument
            case 404: .notFound
            case 409: .conflict
            case 503: .unavailable
            default: .failed
            }
    }
}

extension DockerError {
    /// The engine's refusal, in its own words.
    static func refusal(_ status: UInt, _ body: ByteBuffer) -> DockerError {
        let words: String
        do {
            words = try DockerJSON.decode(Failure.self, from: body).message
        } catch {
            // A proxy, or an engine too old for JSON.
            words = String(String(buffer: body).prefix(1000))
        }
        return DockerError(Code(status: status), words.isEmpty ? "the engine answered HTTP \(status)" : words)
    }

    /// What happened to a connection, as an error of this room. Cancellation stays what it is.
    static func explained(_ error: any Error, _ what: String, _ endpoint: Endpoint) -> any Error {
        switch error {
        case is CancellationError, is DockerError: return error
        case let error as HTTPError where error.code == .unavailable: return unreachable(endpoint, error.cause ?? error)
        case let error as HTTPError where error.code == .tooLarge:
            return DockerError(.failed, "the engine's answer to \(what) is too large", cause: error)
        default:
            return DockerError(
                .unavailable, "the connection to the Docker Engine at \(endpoint) broke during \(what)", cause: error)
        }
    }

    private static func unreachable(_ endpoint: Endpoint, _ cause: any Error) -> DockerError {
        let advice =
            switch (endpoint, (cause as? IOError)?.errnoCode) {
            case (.unix(let path), EACCES?), (.unix(let path), EPERM?):
                "this user may not use \(path): join the group that owns it (usually docker), or run as root"
            case (.unix, _):
                "start Docker (systemctl start docker, or Docker Desktop), or name another engine with DOCKER_HOST"
            case (.tcp, _): "start Docker there, or name another engine with DOCKER_HOST"
            }
        // The system's own word; the library's would name its functions.
        let reason = (cause as? IOError).map { String(cString: strerror($0.errnoCode)) } ?? "\(cause)"
        return DockerError(.unavailable, "the Docker Engine at \(endpoint) cannot be reached: \(reason); \(advice)")
    }
}
