/// One way a registry says it lets us in (RFC 9110, WWW-Authenticate).
struct Challenge: Sendable, Hashable {
    /// Lower-case: `bearer`, `basic`.
    var scheme: String
    /// Names are lower-case.
    var parameters: [String: String]

    /// All challenges in all header fields of a response; what cannot be read is passed over.
    static func parse(_ fields: [String]) -> [Challenge] { fields.flatMap(parse) }

    private static func parse(_ field: String) -> [Challenge] {
        var reader = Reader(rest: Array(field.utf8)[...])
        var challenges: [Challenge] = []
        while reader.skipSeparators(), let word = reader.token() {
            if reader.skipBlanks(), reader.take(UInt8(ascii: "=")) {
                reader.skipBlanks()
                guard let value = reader.value() else { break }
                if !challenges.isEmpty { challenges[challenges.count - 1].parameters[word.lowercased()] = value }
            } else {
                challenges.append(Challenge(scheme: word.lowercased(), parameters: [:]))
            }
        }
        return challenges
    }

    private struct Reader {
        var rest: ArraySlice<UInt8>

        /// - Returns: whether anything follows.
        mutating func skipSeparators() -> Bool {
            while let byte = rest.first, byte == 0x20 || byte == 0x09 || byte == UInt8(ascii: ",") {
                rest.removeFirst()
            }
            return !rest.isEmpty
        }

        @discardableResult
        mutating func skipBlanks() -> Bool {
            while let byte = rest.first, byte == 0x20 || byte == 0x09 { rest.removeFirst() }
            return true
        }

        mutating func take(_ byte: UInt8) -> Bool {
            guard rest.first == byte else { return false }
            rest.removeFirst()
            return true
        }

        mutating func token() -> String? {
            let run = rest.prefix { $0 > 0x20 && $0 < 0x7f && !#"",=;"#.utf8.contains($0) }
            guard !run.isEmpty else { return nil }
            rest = rest.dropFirst(run.count)
            return String(decoding: run, as: UTF8.self)
        }

        mutating func value() -> String? {
            guard take(UInt8(ascii: "\"")) else { return token() }
            var bytes: [UInt8] = []
            while let byte = rest.popFirst() {
                if byte == UInt8(ascii: "\"") { return String(decoding: bytes, as: UTF8.self) }
                if byte == UInt8(ascii: "\\"), let next = rest.popFirst() {
                    bytes.append(next)
                } else {
                    bytes.append(byte)
                }
            }
            return nil
        }
    }
}

/// What a token is to be good for.
struct Scope: Sendable, Hashable {
    /// Sorted, as the token server reads them: `repository:team/app:pull,push`.
    var texts: [String]

    static func pull(_ repository: String) -> Scope { Scope(texts: ["repository:\(repository):pull"]) }
    static func push(_ repository: String) -> Scope { Scope(texts: ["repository:\(repository):pull,push"]) }

    /// To take a blob over from another repository.
    static func mount(to repository: String, from other: String) -> Scope {
        Scope(texts: (push(repository).texts + pull(other).texts).sorted())
    }

    /// With what the registry itself says it wants.
    func adding(_ said: String?) -> Scope {
        let more = (said ?? "").split(separator: " ").map(String.init).filter { !covers($0) }
        return more.isEmpty ? self : Scope(texts: (texts + more).sorted())
    }

    private func covers(_ scope: String) -> Bool {
        guard let colon = scope.lastIndex(of: ":") else { return texts.contains(scope) }
        let actions = Set(scope[scope.index(after: colon)...].split(separator: ","))
        return texts.contains { text in
            guard let end = text.lastIndex(of: ":"), text[..<end] == scope[..<colon] else { return false }
            return actions.isSubset(of: text[text.index(after: end)...].split(separator: ","))
        }
    }
}
