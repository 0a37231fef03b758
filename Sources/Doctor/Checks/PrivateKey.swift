#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// What can be told of a private key without using it.
enum PrivateKey: Sendable, Equatable {
    case usable(String)
    /// It needs a passphrase.
    case encrypted(String)
    /// A kind that guests of today refuse.
    case refused(String)
    case notAKey

    init(_ text: String) {
        let lines = text.split(whereSeparator: \.isNewline).map(String.init)
        guard let first = lines.firstIndex(where: { $0.hasPrefix("-----BEGIN ") }) else {
            self = .notAKey
            return
        }
        let body = lines[(first + 1)...].prefix { !$0.hasPrefix("-----") }
        switch lines[first].dropFirst("-----BEGIN ".count).prefix(while: { $0 != "-" }) {
        case "OPENSSH PRIVATE KEY": self = Self.openSSH(body.joined())
        case "RSA PRIVATE KEY": self = .refused("RSA")
        case "DSA PRIVATE KEY": self = .refused("DSA")
        case "EC PRIVATE KEY":
            self = body.contains { $0.contains("ENCRYPTED") } ? .encrypted("ecdsa") : .usable("ecdsa")
        case "ENCRYPTED PRIVATE KEY": self = .encrypted("PKCS #8")
        case "PRIVATE KEY": self = .usable("PKCS #8")
        default: self = .notAKey
        }
    }

    /// A magic word, then texts with their lengths before them: cipher, key derivation, its options, a count, the public key,
    /// which begins with its kind.
    private static func openSSH(_ base64: String) -> PrivateKey {
        let magic = Array("openssh-key-v1\0".utf8)
        guard let data = Data(base64Encoded: base64, options: .ignoreUnknownCharacters), data.starts(with: magic) else {
            return .notAKey
        }
        var rest = Array(data)[magic.count...]
        func number() -> Int? {
            guard rest.count >= 4 else { return nil }
            defer { rest = rest.dropFirst(4) }
            return rest.prefix(4).reduce(0) { $0 << 8 | Int($1) }
        }
        func field() -> [UInt8]? {
            guard let length = number(), length <= rest.count else { return nil }
            defer { rest = rest.dropFirst(length) }
            return Array(rest.prefix(length))
        }
        guard let cipher = field(), field() != nil, field() != nil, number() != nil, let key = field() else {
            return .notAKey
        }
        rest = key[...]
        guard let kind = field().map({ String(decoding: $0, as: UTF8.self) }) else { return .notAKey }
        if kind.hasPrefix("ssh-rsa") || kind.hasPrefix("ssh-dss") { return .refused(kind) }
        return cipher.elementsEqual("none".utf8) ? .usable(kind) : .encrypted(kind)
    }
}
