import KubeAPI

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// The credentials of registries a pod may use (kubelet `credentialprovider`): those that name the longest part of an
/// image come first.
struct RegistryKeyRing: Sendable {
    /// What a registry is shown. Never logged.
    struct Login: Sendable, Hashable {
        var username = ""
        var password = ""
        var identityToken = ""
        var registryToken = ""
        /// Where it is from.
        var secret = PullSecretUse()

        /// That it was shown, without what is secret of it.
        var use: PullSecretUse {
            var use = secret
            let parts = [username, password, identityToken, registryToken].map { "\($0.utf8.count):\($0)" }
            use.credentialHash = ContentHash.sha256(Array(parts.joined().utf8))
            return use
        }
    }

    private static let standardRegistry = "index.docker.io"

    /// By registry and path; `*` and `?` in the registry stand for anything between two dots.
    private var logins: [String: [Login]] = [:]

    init() {}

    /// - Throws: when the secret is none for images, or cannot be read.
    mutating func add(_ secret: Secret) throws(AdapterError) {
        let contents = secret.contents
        func failure(_ why: String) -> AdapterError {
            AdapterError(.invalidArgument, "secret \(secret.metadata.name) \(why)")
        }
        let list: Value?
        do {
            switch secret.type {
            case "kubernetes.io/dockerconfigjson":
                guard let bytes = contents[".dockerconfigjson"] else { throw failure("has no .dockerconfigjson") }
                list = try Documents.json(bytes)["auths"]
            case "kubernetes.io/dockercfg":
                guard let bytes = contents[".dockercfg"] else { throw failure("has no .dockercfg") }
                list = try Documents.json(bytes)
            default: throw failure("is of type \"\(secret.type)\": it must be kubernetes.io/dockerconfigjson")
            }
        } catch let error as AdapterError {
            throw error
        } catch {
            // The cause could show what is in it.
            throw failure("holds no JSON")
        }
        guard case .object(let members)? = list?.kind else { return }
        let origin = PullSecretUse {
            $0.uid = secret.metadata.uid
            $0.namespace = secret.metadata.namespace
            $0.name = secret.metadata.name
        }
        for member in members { try add(member.value, for: member.name, of: origin, failure) }
    }

    private mutating func add(
        _ value: Value, for place: String, of origin: PullSecretUse, _ failure: (String) -> AdapterError
    ) throws(AdapterError) {
        var login = Login()
        login.secret = origin
        login.username = value["username"]?.string ?? ""
        login.password = value["password"]?.string ?? ""
        login.identityToken = value["identitytoken"]?.string ?? ""
        login.registryToken = value["registrytoken"]?.string ?? ""
        if let text = value["auth"]?.string, !text.isEmpty {
            guard let bytes = Data(base64Encoded: text.padded, options: .ignoreUnknownCharacters),
                let colon = bytes.firstIndex(of: UInt8(ascii: ":"))
            else { throw failure("has an auth for \(place) that is no name and password") }
            login.username = String(decoding: bytes[..<colon], as: UTF8.self)
            login.password = String(decoding: bytes[(colon + 1)...].filter { $0 != 0 }, as: UTF8.self)
        }
        guard let key = Self.key(place) else { return }
        logins[key, default: []].append(login)
    }

    /// Host and path of what a configuration names; the registry's own paths are the host's.
    private static func key(_ place: String) -> String? {
        var rest = place[...]
        for scheme in ["https://", "http://"] where rest.hasPrefix(scheme) { rest = rest.dropFirst(scheme.count) }
        let slash = rest.firstIndex(of: "/") ?? rest.endIndex
        let host = rest[..<slash]
        var path = rest[slash...]
        if path.hasPrefix("/v1/") || path.hasPrefix("/v2/") { path = path.dropFirst(3) }
        guard !host.isEmpty else { return nil }
        return path == "/" ? String(host) : String(host + path)
    }

    /// What to try for an image, in this order. Nothing where nothing fits.
    func credentials(for image: String) -> [Login] {
        var found: [Login] = []
        for key in logins.keys.sorted(by: >) where Self.matches(key, image) { found += logins[key] ?? [] }
        if found.isEmpty, Self.isOfStandardRegistry(image) { found = logins[Self.standardRegistry] ?? [] }
        return found
    }

    private static func isOfStandardRegistry(_ image: String) -> Bool {
        let parts = image.split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
        guard let first = parts.first, !first.isEmpty else { return false }
        if parts.count == 1 || first == "docker.io" || first == standardRegistry { return true }
        return !first.contains(".") && !first.contains(":") && first != "localhost"
    }

    static func matches(_ key: String, _ image: String) -> Bool {
        func split(_ text: String) -> (host: [Substring], port: Substring, path: Substring) {
            let slash = text.firstIndex(of: "/") ?? text.endIndex
            var host = text[..<slash]
            var port: Substring = ""
            if let colon = host.lastIndex(of: ":") {
                port = host[host.index(after: colon)...]
                host = host[..<colon]
            }
            return (host.split(separator: ".", omittingEmptySubsequences: false), port, text[slash...])
        }
        let (pattern, target) = (split(key), split(image))
        return pattern.host.count == target.host.count && pattern.port == target.port
            && target.path.hasPrefix(pattern.path)
            && zip(pattern.host, target.host).allSatisfy { Self.glob(Array($0.utf8)[...], Array($1.utf8)[...]) }
    }

    private static func glob(_ pattern: ArraySlice<UInt8>, _ text: ArraySlice<UInt8>) -> Bool {
        var (pattern, text) = (pattern, text)
        // Where the last star was, and how much of the text it took.
        var star: (pattern: ArraySlice<UInt8>, text: ArraySlice<UInt8>)?
        while true {
            if let first = pattern.first, first == UInt8(ascii: "*") {
                pattern = pattern.dropFirst()
                star = (pattern, text)
            } else if let first = pattern.first, let byte = text.first, first == byte || first == UInt8(ascii: "?") {
                pattern = pattern.dropFirst()
                text = text.dropFirst()
            } else if pattern.isEmpty, text.isEmpty {
                return true
            } else if let last = star, !last.text.isEmpty {
                star = (last.pattern, last.text.dropFirst())
                pattern = last.pattern
                text = last.text.dropFirst()
            } else {
                return false
            }
        }
    }
}

extension String {
    /// Some tools leave base64's padding out.
    fileprivate var padded: String {
        let missing = (4 - utf8.count % 4) % 4
        return self + String(repeating: "=", count: missing)
    }
}
