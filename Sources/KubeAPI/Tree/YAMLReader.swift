import Yams

/// Reads one YAML document into a ``Value`` the way Kubernetes does: scalars follow YAML 1.1 as Go's library reads it,
/// so `0644` is octal and `yes` is a boolean.
enum YAMLReader {
    /// How many nodes a document may have once its aliases are expanded.
    private static let maximumNodes = 200_000
    private static let maximumNesting = 200

    /// - Parameter firstLine: the line of the file the text starts on, from 1.
    /// - Returns: `nil` when the document is empty.
    static func read(_ text: String, firstLine: Int = 1) throws(DecodingIssue) -> Value? {
        try refuseDeepNesting(text, firstLine: firstLine)
        let root: Yams.Node?
        do {
            root = try Yams.compose(yaml: text, .basic)
        } catch {
            throw issue(error, firstLine: firstLine)
        }
        guard let root else { return nil }
        var converter = Converter(offset: firstLine - 1, remaining: maximumNodes)
        let value = try converter.convert(root)
        return value.kind == .null ? nil : value
    }

    /// The parser underneath recurses, so depth is limited before it sees the text.
    private static func refuseDeepNesting(_ text: String, firstLine: Int) throws(DecodingIssue) {
        var line = firstLine
        var flow = 0
        var leading = 0
        var atStart = true
        for byte in text.utf8 {
            switch byte {
            case 0x0A:
                line += 1
                leading = 0
                atStart = true
                continue
            case UInt8(ascii: "["), UInt8(ascii: "{"): flow += 1
            case UInt8(ascii: "]"), UInt8(ascii: "}"): flow = max(0, flow - 1)
            case UInt8(ascii: " "), UInt8(ascii: "-"), UInt8(ascii: "?"), UInt8(ascii: ":"), 0x09:
                if atStart { leading += 1 }
            default: atStart = false
            }
            if flow > maximumNesting || leading > 2 * maximumNesting {
                throw DecodingIssue(path: "", line: line, reason: "nested deeper than \(maximumNesting) levels")
            }
        }
    }

    private static func issue(_ error: any Error, firstLine: Int) -> DecodingIssue {
        func at(_ line: Int, _ reason: String) -> DecodingIssue {
            DecodingIssue(path: "", line: line > 0 ? line + firstLine - 1 : firstLine, reason: reason)
        }
        switch error as? YamlError {
        case .scanner(let context, let problem, let mark, _), .parser(let context, let problem, let mark, _),
            .composer(let context, let problem, let mark, _):
            return at(mark.line, [context?.text, problem].compactMap { $0 }.joined(separator: ": "))
        case .duplicatedKeysInMapping(let duplicates, let context):
            return at(context.mark.line, "given twice in one mapping: \(duplicates.sorted().joined(separator: ", "))")
        case .reader(let problem, _, _, _): return at(0, problem)
        default: return at(0, "not readable as YAML: \(error)")
        }
    }

    private struct Converter {
        let offset: Int
        var remaining: Int

        mutating func convert(_ node: Yams.Node) throws(DecodingIssue) -> Value {
            let line = (node.mark?.line ?? 1) + offset
            remaining -= 1
            guard remaining > 0 else {
                throw DecodingIssue(path: "", line: line, reason: "too large once its aliases are expanded")
            }
            switch node {
            case .scalar(let scalar): return Value(Self.resolve(scalar), line: line)
            case .sequence(let sequence):
                var values: [Value] = []
                for element in sequence { values.append(try convert(element)) }
                return Value(.array(values), line: line)
            case .mapping(let mapping):
                var members: [Member] = []
                var merged: [Member] = []
                for (key, element) in mapping {
                    guard case .scalar(let name) = key else {
                        throw DecodingIssue(path: "", line: line, reason: "a mapping key must be a plain word")
                    }
                    let value = try convert(element)
                    guard name.string == "<<", name.style == .plain else {
                        members.append(Member(name.string, value))
                        continue
                    }
                    for source in value.array ?? [value] {
                        if case .object(let more) = source.kind { merged += more }
                    }
                }
                for member in merged where !members.contains(where: { $0.name == member.name }) {
                    members.append(member)
                }
                return Value(.object(members), line: line)
            case .alias: throw DecodingIssue(path: "", line: line, reason: "an alias names no anchor")
            }
        }

        private static func resolve(_ scalar: Yams.Node.Scalar) -> Value.Kind {
            let text = scalar.string
            guard scalar.style == .plain || scalar.style == .any, scalar.tag.description != "tag:yaml.org,2002:str"
            else { return .string(text) }
            switch text {
            case "", "~", "null", "Null", "NULL": return .null
            case "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON": return .bool(true)
            case "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF": return .bool(false)
            default: return number(text) ?? .string(text)
            }
        }

        private static func number(_ text: String) -> Value.Kind? {
            guard let first = text.utf8.first,
                (0x30...0x39).contains(first) || first == UInt8(ascii: "-") || first == UInt8(ascii: "+")
                    || first == UInt8(ascii: ".")
            else { return nil }
            let plain = text.filter { $0 != "_" }
            let negative = plain.hasPrefix("-")
            let digits = plain.drop { $0 == "-" || $0 == "+" }
            guard plain.count - digits.count <= 1 else { return nil }
            func signed(_ body: Substring, radix: Int) -> Value.Kind? {
                guard !body.hasPrefix("-"), !body.hasPrefix("+") else { return nil }
                return Int64((negative ? "-" : "") + body, radix: radix).map(Value.Kind.int)
            }
            if digits.hasPrefix("0x") { return signed(digits.dropFirst(2), radix: 16) }
            if digits.hasPrefix("0b") { return signed(digits.dropFirst(2), radix: 2) }
            if digits.hasPrefix("0o") { return signed(digits.dropFirst(2), radix: 8) }
            if digits.count > 1, digits.hasPrefix("0"), let octal = signed(digits.dropFirst(), radix: 8) {
                return octal
            }
            if let int = signed(digits, radix: 10) { return int }
            let float: (Character) -> Bool = { "0123456789.eE+-".contains($0) }
            guard digits.allSatisfy(float), digits.contains(where: \.isNumber) else { return nil }
            return Double(plain).map(Value.Kind.double)
        }
    }
}
