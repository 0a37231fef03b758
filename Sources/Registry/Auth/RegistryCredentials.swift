import FoundationEssentials

/// Who we are to a registry. Never printed.
public enum RegistryCredentials: Sendable, Hashable, CustomStringConvertible, CustomDebugStringConvertible,
    CustomReflectable
{
    case anonymous
    case basic(user: String, password: String)
    /// What the registry's token server gives tokens for: an OAuth 2 refresh token.
    case identityToken(String)
    /// What is shown to the registry itself.
    case registryToken(String)

    public var description: String {
        switch self {
        case .anonymous: "no credentials"
        case .basic: "a name and a password"
        case .identityToken: "an identity token"
        case .registryToken: "a registry token"
        }
    }

    public var debugDescription: String { description }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// The forms credentials come in with a CRI request or in a Docker configuration file; the most particular counts.
    ///
    /// - Parameter auth: base64 of `NAME:PASSWORD`.
    /// - Returns: nil when nothing is given.
    /// - Throws: `invalidArgument` when `auth` is something else.
    public init?(
        user: String = "", password: String = "", auth: String = "", identityToken: String = "",
        registryToken: String = ""
    ) throws(RegistryError) {
        if !registryToken.isEmpty {
            self = .registryToken(registryToken)
        } else if !identityToken.isEmpty {
            self = .identityToken(identityToken)
        } else if !user.isEmpty {
            self = .basic(user: user, password: password)
        } else if !auth.isEmpty {
            guard let data = Data(base64Encoded: auth), let text = String(validating: data, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else {
                throw RegistryError(
                    .invalidArgument, "the auth field of the credentials is not base64 of NAME:PASSWORD")
            }
            self = .basic(
                user: String(text[..<colon]), password: String(text[text.index(after: colon)...].filter { $0 != "\0" }))
        } else {
            return nil
        }
        // How Docker's credential helpers hand over such a token.
        if case .basic("<token>", let token) = self { self = .identityToken(token) }
    }

    /// Whether credentials that are said to be for `server` are for the registry of an image. An empty text means any.
    ///
    /// - Parameters:
    ///   - server: `HOST[:PORT]`, also with a scheme and a path, as Docker writes it.
    ///   - registry: as an image's name has it.
    public static func isServer(_ server: String, registry: String) -> Bool {
        server.isEmpty || authority(server) == authority(registry)
    }

    /// `HOST[:PORT]` of what stands for a registry; Docker's own has several names.
    static func authority(_ server: String) -> String {
        var rest = server[...]
        if let scheme = rest.firstRange(of: "://") { rest = rest[scheme.upperBound...] }
        let authority = rest.prefix { $0 != "/" }.lowercased()
        return ["index.docker.io", "registry-1.docker.io"].contains(authority) ? "docker.io" : authority
    }

    var basicHeader: String? {
        guard case .basic(let user, let password) = self else { return nil }
        return "Basic " + Data("\(user):\(password)".utf8).base64EncodedString()
    }
}
