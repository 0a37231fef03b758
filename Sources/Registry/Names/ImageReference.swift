/// An image name taken apart as registries and Docker read it.
public struct ImageReference: Sendable, Hashable {
    /// Without tag and digest, as written: `busybox`, `registry.example:5000/team/app`.
    public var name: String
    public var tag: String?
    /// `sha256:…`
    public var digest: String?

    /// - Throws: `invalidArgument` when no registry could have an image of that name.
    public init(parsing text: String) throws {
        func invalid(_ why: String) -> RegistryError {
            RegistryError(
                .invalidArgument, "\"\(text)\" is no image name (\(why)): write [REGISTRY/]NAME[:TAG][@DIGEST]")
        }
        var rest = text[...]
        if let at = rest.lastIndex(of: "@") {
            let digest = rest[rest.index(after: at)...]
            guard Self.isDigest(digest) else { throw invalid("after @ must come sha256: and 64 hexadecimal digits") }
            self.digest = String(digest)
            rest = rest[..<at]
        }
        let lastSlash = rest.lastIndex(of: "/") ?? rest.startIndex
        if let colon = rest[lastSlash...].lastIndex(of: ":") {
            let tag = rest[rest.index(after: colon)...]
            guard !tag.isEmpty, tag.utf8.count <= 128, tag.utf8.allSatisfy(Self.isTagByte) else {
                throw invalid("the tag may have letters, digits, _ . and -")
            }
            self.tag = String(tag)
            rest = rest[..<colon]
        }
        name = String(rest)
        let parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        for (index, part) in parts.enumerated() {
            let isHost =
                index == 0 && parts.count > 1 && (part.contains(".") || part.contains(":") || part == "localhost")
            guard !part.isEmpty, isHost || part.utf8.allSatisfy(Self.isNameByte) else {
                throw invalid("names are lower-case letters, digits, . _ and -")
            }
        }
    }

    /// True for `sha256:` and digits, or for 64 digits: an image id rather than a name.
    public static func isID(_ text: String) -> Bool {
        isDigest(text[...]) || (text.utf8.count == 64 && text.utf8.allSatisfy(isHexByte))
    }

    /// The registry that a pull asks.
    public var registry: String {
        guard let slash = name.firstIndex(of: "/") else { return "docker.io" }
        let first = name[..<slash]
        return first.contains(".") || first.contains(":") || first == "localhost"
            ? (first == "index.docker.io" ? "docker.io" : String(first)) : "docker.io"
    }

    /// Whom a pull really asks: Docker's own registry answers at another name than images say.
    public var registryHost: String { registry == "docker.io" ? "registry-1.docker.io" : registry }

    /// The name within the registry: `library/busybox`.
    public var repository: String { String(canonicalName.dropFirst(registry.utf8.count + 1)) }

    /// What a registry is asked for: the digest, else the tag, else `latest`.
    public var manifestName: String { digest ?? tag ?? "latest" }

    /// The name in full, as registries know it: `docker.io/library/busybox`.
    public var canonicalName: String {
        let parts = split
        let isOfficial = parts.registry == "docker.io" && !parts.rest.contains("/")
        return "\(parts.registry)/\(isOfficial ? "library/" : "")\(parts.rest)"
    }

    /// The name as Docker shows it, without what is understood: `busybox`.
    public var familiarName: String {
        let parts = split
        guard parts.registry == "docker.io" else { return name }
        let library = "library/"
        return parts.rest.hasPrefix(library) && !parts.rest.dropFirst(library.count).contains("/")
            ? String(parts.rest.dropFirst(library.count)) : String(parts.rest)
    }

    /// The full name with its tag, `latest` when neither tag nor digest is said: under which a store keeps an image.
    public var canonical: String { tagged(canonicalName) }
    /// The same as Docker shows it: `busybox:latest`.
    public var familiar: String { tagged(familiarName) }

    private func tagged(_ name: String) -> String {
        let tag = tag ?? (digest == nil ? "latest" : nil)
        return name + (tag.map { ":" + $0 } ?? "") + (digest.map { "@" + $0 } ?? "")
    }

    private var split: (registry: String, rest: Substring) {
        let registry = registry
        let prefix = registry + "/"
        if name.hasPrefix(prefix) { return (registry, name.dropFirst(prefix.count)) }
        let old = "index.docker.io/"
        if name.hasPrefix(old) { return ("docker.io", name.dropFirst(old.count)) }
        return (registry, name[...])
    }

    /// `sha256:` and 64 hexadecimal digits.
    public static func isDigest(_ text: some StringProtocol) -> Bool {
        text.hasPrefix("sha256:") && text.utf8.count == 71 && text.utf8.dropFirst(7).allSatisfy(isHexByte)
    }

    private static func isHexByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...102).contains(byte)
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (48...57).contains(byte) || (97...122).contains(byte) || byte == 0x2e || byte == 0x5f || byte == 0x2d
    }

    private static func isTagByte(_ byte: UInt8) -> Bool {
        isNameByte(byte) || (65...90).contains(byte)
    }
}
