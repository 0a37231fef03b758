import Foundation
import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1

extension RegistryDouble {
    /// nil for who may.
    func refusal(_ request: HTTPRequest) -> HTTPResponse? {
        let shown = request.headers.first(name: "Authorization")
        let access = state.withLockedValue { $0.access }
        switch access {
        case .anybody: return nil
        case .basic(let user, let password):
            if shown == Self.basic(user, password) { return nil }
            return Self.unauthorized("Basic realm=\"double\"")
        case .tokens, .privateTokens:
            let name = Self.repository(of: request.path) ?? ""
            let action = [.GET, .HEAD].contains(request.method) ? "pull" : "push"
            let wanted = action == "pull" ? "pull" : "pull,push"
            let scopes = shown.flatMap { header in
                header.hasPrefix("Bearer ") ? state.withLockedValue { $0.tokens[String(header.dropFirst(7))] } : nil
            }
            if scopes?.contains("repository:\(name):\(action)") == true { return nil }
            return Self.unauthorized(
                "Bearer realm=\"http://\(address)/token\",service=\"double, \\\"quoted\\\"\",scope=\"repository:\(name):\(wanted)\""
            )
        }
    }

    static func basic(_ user: String, _ password: String) -> String {
        "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }

    private static func unauthorized(_ challenge: String) -> HTTPResponse {
        HTTPResponse(
            .unauthorized, headers: ["WWW-Authenticate": challenge, "Content-Type": "application/json"],
            body: .bytes(
                ByteBuffer(string: #"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"}]}"#)))
    }

    /// The token server: a GET with name and password, or a POST with a refresh token.
    func token(_ request: HTTPRequest) async throws -> HTTPResponse {
        let access = state.withLockedValue { $0.access }
        let (user, password, isPrivate) =
            switch access {
            case .tokens(let user, let password): (user, password, false)
            case .privateTokens(let user, let password): (user, password, true)
            default: ("", "", false)
            }
        var isUser = false
        var scopes = request.queryValues("scope")
        if request.method == .POST {
            let form = String(buffer: try await request.body.collect(upTo: 64 << 10))
            let fields = URLComponents(string: "?" + form)?.queryItems ?? []
            func field(_ name: String) -> String? { fields.first { $0.name == name }?.value }
            guard field("grant_type") == "refresh_token", field("refresh_token") == "refresh-\(user)",
                field("service") == "double, \"quoted\""
            else { return HTTPResponse(.badRequest, text: "{\"error\":\"invalid_grant\"}", type: "application/json") }
            isUser = true
            scopes = (field("scope") ?? "").split(separator: " ").map(String.init)
        } else if let shown = request.headers.first(name: "Authorization") {
            guard shown == Self.basic(user, password) else { return HTTPResponse(.unauthorized) }
            isUser = true
        }
        var granted: Set<String> = []
        for scope in scopes {
            guard let colon = scope.lastIndex(of: ":") else { continue }
            for action in scope[scope.index(after: colon)...].split(separator: ",") {
                guard isUser || (action == "pull" && !isPrivate) else { continue }
                granted.insert("\(scope[..<colon]):\(action)")
            }
        }
        let (token, lifetime) = state.withLockedValue { [granted] state in
            state.next += 1
            state.tokens["token-\(state.next)"] = granted
            return ("token-\(state.next)", state.lifetime)
        }
        return HTTPResponse(
            .ok, text: "{\"\(isUser ? "access_token" : "token")\":\"\(token)\",\"expires_in\":\(lifetime)}",
            type: "application/json")
    }
}
