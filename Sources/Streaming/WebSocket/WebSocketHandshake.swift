import FoundationEssentials
public import HTTP
import NIOCore
import NIOHTTP1

extension HTTPRequest {
    /// Whether the client asks to switch to WebSocket.
    public var wantsWebSocket: Bool { upgrade?.lowercased() == WebSocketHandshake.name }
}

/// The server's side of the opening handshake (RFC 6455, 4.2).
enum WebSocketHandshake {
    static let name = "websocket"
    static let protocolHeader = "sec-websocket-protocol"
    private static let keyHeader = "sec-websocket-key"
    private static let versionHeader = "sec-websocket-version"

    /// What an upgrade answers, and what is spoken after it.
    struct Agreement {
        /// nil when the client offered none.
        let subprotocol: String?
        let headers: HTTPHeaders
    }

    /// - Parameter spoken: subprotocols; the first of the client's list that is among them is chosen. A client that offers
    ///   none gets none.
    static func negotiate(_ request: HTTPRequest, _ spoken: [String]) -> Result<Agreement, Refusal> {
        func refuse(_ status: HTTPResponseStatus, _ text: String) -> Result<Agreement, Refusal> {
            .failure(Refusal(response: HTTPResponse(status, text: text)))
        }
        guard request.method == .GET else {
            return refuse(.methodNotAllowed, "an upgrade to WebSocket is asked for with GET\n")
        }
        guard request.headers[canonicalForm: versionHeader].map(String.init) == ["13"] else {
            var response = HTTPResponse(.upgradeRequired, text: "version 13 of WebSocket is spoken here\n")
            response.headers.add(name: versionHeader, value: "13")
            return .failure(Refusal(response: response))
        }
        let keys = request.headers[keyHeader]
        guard keys.count == 1, Data(base64Encoded: keys[0])?.count == 16 else {
            return refuse(.badRequest, "the header \(keyHeader) must be there once, with 16 bytes in base64\n")
        }
        var headers: HTTPHeaders = ["sec-websocket-accept": accept(keys[0])]
        let offered = request.headers[canonicalForm: protocolHeader].map(String.init).filter { !$0.isEmpty }
        guard !offered.isEmpty else { return .success(Agreement(subprotocol: nil, headers: headers)) }
        guard let chosen = offered.first(where: spoken.contains) else {
            return refuse(
                .forbidden,
                "none of the offered subprotocols is spoken here: \(offered.joined(separator: ", ")); use one of "
                    + "\(spoken.joined(separator: ", "))\n")
        }
        headers.add(name: protocolHeader, value: chosen)
        return .success(Agreement(subprotocol: chosen, headers: headers))
    }

    /// Proves that the server has read the key.
    static func accept(_ key: String) -> String {
        Data(SHA1.digest(Array((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").utf8))).base64EncodedString()
    }
}
