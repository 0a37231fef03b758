/// Names of images (the grammar of distribution references).
enum ImageName {
    /// - Returns: why it is no name; `nil` when it is one.
    static func problem(_ name: String) -> String? {
        let failure = "couldn't parse image name \"\(name)\": "
        if name.isEmpty { return failure + "repository name must have at least one component" }
        var rest = name[...]
        if let at = rest.firstIndex(of: "@") {
            guard isDigest(rest[rest.index(after: at)...]) else { return failure + "invalid reference format" }
            rest = rest[..<at]
        }
        let afterSlash = rest.lastIndex(of: "/").map { rest.index(after: $0) } ?? rest.startIndex
        if let colon = rest[afterSlash...].lastIndex(of: ":") {
            guard isTag(rest[rest.index(after: colon)...]) else { return failure + "invalid reference format" }
            rest = rest[..<colon]
        }
        var parts = rest.split(separator: "/", omittingEmptySubsequences: false)
        if parts.count > 1, let first = parts.first,
            first.contains(".") || first.contains(":") || first == "localhost" || first.contains(where: \.isUppercase)
        {
            guard isHost(first) else { return failure + "invalid reference format" }
            parts.removeFirst()
        }
        guard rest.utf8.count <= 255 else {
            return failure + "repository name must not be more than 255 characters"
        }
        guard parts.allSatisfy(isComponent) else {
            let isUpper = rest.contains { $0.isASCII && $0.isUppercase }
            return failure
                + (isUpper
                    ? "invalid reference format: repository name (\(rest)) must be lowercase"
                    : "invalid reference format")
        }
        return nil
    }

    private static func isLower(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte)
    }

    private static func isWord(_ byte: UInt8) -> Bool { isLower(byte) || (0x41...0x5A).contains(byte) }

    /// Small letters and digits, with one dot, one or two underscores or any number of dashes between.
    private static func isComponent(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, let last = bytes.last, isLower(first), isLower(last) else { return false }
        var run: [UInt8] = []
        for byte in bytes {
            if isLower(byte) {
                guard isSeparator(run) else { return false }
                run = []
            } else {
                run.append(byte)
            }
        }
        return true
    }

    private static func isSeparator(_ run: [UInt8]) -> Bool {
        run.isEmpty || run == Array(".".utf8) || run == Array("_".utf8) || run == Array("__".utf8)
            || run.allSatisfy { $0 == UInt8(ascii: "-") }
    }

    private static func isTag(_ text: Substring) -> Bool {
        let bytes = Array(text.utf8)
        guard let first = bytes.first, bytes.count <= 128, isWord(first) || first == UInt8(ascii: "_") else {
            return false
        }
        return bytes.allSatisfy {
            isWord($0) || $0 == UInt8(ascii: "_") || $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "-")
        }
    }

    private static func isDigest(_ text: Substring) -> Bool {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let first = parts[0].first, first.isASCII, first.isLetter else { return false }
        return parts[1].count >= 32 && parts[1].allSatisfy { $0.isASCII && $0.isHexDigit }
    }

    private static func isHost(_ text: Substring) -> Bool {
        var host = text
        if host.hasPrefix("["), let end = host.firstIndex(of: "]") {
            let address = host[host.index(after: host.startIndex)..<end]
            let rest = host[host.index(after: end)...]
            return address.allSatisfy { $0.isASCII && ($0.isHexDigit || $0 == ":") }
                && (rest.isEmpty || isPort(rest))
        }
        if let colon = host.firstIndex(of: ":") {
            guard isPort(host[colon...]) else { return false }
            host = host[..<colon]
        }
        return host.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { label in
            let bytes = Array(label.utf8)
            guard let first = bytes.first, let last = bytes.last, isWord(first), isWord(last) else { return false }
            return bytes.allSatisfy { isWord($0) || $0 == UInt8(ascii: "-") }
        }
    }

    private static func isPort(_ text: Substring) -> Bool {
        text.first == ":" && text.count > 1 && text.dropFirst().allSatisfy { $0.isASCII && $0.isNumber }
    }
}
