public import NIOCore
public import NIOHTTP1

/// What a handler answers.
public struct HTTPResponse: Sendable {
    public enum Body: Sendable {
        case none
        case bytes(ByteBuffer)
        /// Runs after the head was sent; the response ends with it. Throwing breaks the connection off, so that the
        /// client knows that the response is incomplete.
        case stream(@Sendable (HTTPBodyWriter) async throws -> Void)
        /// Runs after a 101 with the response's headers; the connection closes with it.
        case upgrade(@Sendable (RawConnection) async throws -> Void)
    }

    public var status: HTTPResponseStatus
    public var headers: HTTPHeaders
    public var body: Body

    public init(_ status: HTTPResponseStatus, headers: HTTPHeaders = [:], body: Body = .none) {
        self.status = status
        self.headers = headers
        self.body = body
    }

    /// Text with its type.
    public init(_ status: HTTPResponseStatus, text: String, type: String = "text/plain; charset=utf-8") {
        self.init(status, headers: ["content-type": type], body: .bytes(ByteBuffer(string: text)))
    }

    /// The answer to a request to switch to `name`: a 101 and then raw bytes.
    public static func upgrade(
        to name: String, headers: HTTPHeaders = [:], _ run: @escaping @Sendable (RawConnection) async throws -> Void
    ) -> HTTPResponse {
        var headers = headers
        headers.replaceOrAdd(name: "connection", value: "Upgrade")
        headers.replaceOrAdd(name: "upgrade", value: name)
        return HTTPResponse(.switchingProtocols, headers: headers, body: .upgrade(run))
    }
}

/// An error of another room that knows its HTTP answer.
public protocol HTTPResponseConvertible: Error {
    var httpResponse: HTTPResponse { get }
}
