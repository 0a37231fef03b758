extension Value {
    /// Reads a JSON text.
    public init(json bytes: [UInt8]) throws(DecodingIssue) { self = try JSONReader.read(bytes) }
}

/// Reads JSON (RFC 8259) into ``Value``s, with line numbers and without recursion deeper than a fixed limit.
struct JSONReader {
    private let bytes: [UInt8]
    private var position = 0
    private var line = 1
    private static let maximumDepth = 256

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// The one value the bytes hold.
    static func read(_ bytes: [UInt8]) throws(DecodingIssue) -> Value {
        var reader = JSONReader(bytes)
        let value = try reader.value(depth: 0)
        reader.skipSpace()
        if reader.position < bytes.count { throw reader.failure("something follows the JSON value") }
        return value
    }

    /// Every value of a stream of JSON texts, one after the other.
    static func readAll(_ bytes: [UInt8]) throws(DecodingIssue) -> [Value] {
        var reader = JSONReader(bytes)
        var values: [Value] = []
        reader.skipSpace()
        while reader.position < bytes.count {
            values.append(try reader.value(depth: 0))
            reader.skipSpace()
        }
        return values
    }

    private func failure(_ reason: String) -> DecodingIssue { DecodingIssue(path: "", line: line, reason: reason) }

    private mutating func skipSpace() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x0A:
                line += 1
                position += 1
            case 0x20, 0x09, 0x0D: position += 1
            default: return
            }
        }
    }

    private mutating func value(depth: Int) throws(DecodingIssue) -> Value {
        guard depth < Self.maximumDepth else { throw failure("nested deeper than \(Self.maximumDepth) levels") }
        skipSpace()
        guard position < bytes.count else { throw failure("the JSON ends in the middle") }
        let start = line
        switch bytes[position] {
        case UInt8(ascii: "{"): return Value(try object(depth: depth), line: start)
        case UInt8(ascii: "["): return Value(try array(depth: depth), line: start)
        case UInt8(ascii: "\""): return Value(.string(try string()), line: start)
        case UInt8(ascii: "t"): return Value(try literal("true", .bool(true)), line: start)
        case UInt8(ascii: "f"): return Value(try literal("false", .bool(false)), line: start)
        case UInt8(ascii: "n"): return Value(try literal("null", .null), line: start)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return Value(try number(), line: start)
        default: throw failure("a JSON value cannot start with this character")
        }
    }

    private mutating func literal(_ text: StaticString, _ kind: Value.Kind) throws(DecodingIssue) -> Value.Kind {
        let wanted = UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
        guard position + wanted.count <= bytes.count, bytes[position..<position + wanted.count].elementsEqual(wanted)
        else { throw failure("unknown word in JSON") }
        position += wanted.count
        return kind
    }

    private mutating func object(depth: Int) throws(DecodingIssue) -> Value.Kind {
        position += 1
        var members: [Member] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return .object(members) }
        while true {
            skipSpace()
            guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else {
                throw failure("expected a quoted member name")
            }
            let name = try string()
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw failure("expected ':' after \"\(name)\"") }
            members.append(Member(name, try value(depth: depth + 1)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) else { throw failure("expected ',' or '}'") }
        }
    }

    private mutating func array(depth: Int) throws(DecodingIssue) -> Value.Kind {
        position += 1
        var values: [Value] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return .array(values) }
        while true {
            values.append(try value(depth: depth + 1))
            skipSpace()
            if take(UInt8(ascii: "]")) { return .array(values) }
            guard take(UInt8(ascii: ",")) else { throw failure("expected ',' or ']'") }
        }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard position < bytes.count, bytes[position] == byte else { return false }
        position += 1
        return true
    }

    private mutating func number() throws(DecodingIssue) -> Value.Kind {
        let start = position
        var whole = true
        scan: while position < bytes.count {
            switch bytes[position] {
            case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"): break
            case UInt8(ascii: "+"), UInt8(ascii: "."), UInt8(ascii: "e"), UInt8(ascii: "E"): whole = false
            default: break scan
            }
            position += 1
        }
        guard let kind = Self.number(bytes[start..<position], whole: whole) else { throw failure("unreadable number") }
        return kind
    }

    private static func number(_ digits: ArraySlice<UInt8>, whole: Bool) -> Value.Kind? {
        let text = String(decoding: digits, as: UTF8.self)
        if whole, let int = Int64(text) { return .int(int) }
        return Double(text).map(Value.Kind.double)
    }

    private mutating func string() throws(DecodingIssue) -> String {
        position += 1
        var out: [UInt8] = []
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: out, as: UTF8.self) else { throw failure("a string is not UTF-8") }
                return text
            case UInt8(ascii: "\\"): try escape(into: &out)
            case 0..<0x20: throw failure("a control character inside a string")
            default: out.append(byte)
            }
        }
        throw failure("a string is not closed")
    }

    private mutating func escape(into out: inout [UInt8]) throws(DecodingIssue) {
        guard position < bytes.count else { throw failure("a string is not closed") }
        let byte = bytes[position]
        position += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): out.append(byte)
        case UInt8(ascii: "b"): out.append(8)
        case UInt8(ascii: "f"): out.append(12)
        case UInt8(ascii: "n"): out.append(10)
        case UInt8(ascii: "r"): out.append(13)
        case UInt8(ascii: "t"): out.append(9)
        case UInt8(ascii: "u"):
            var code = try hex()
            if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count, bytes[position] == UInt8(ascii: "\\"),
                bytes[position + 1] == UInt8(ascii: "u")
            {
                position += 2
                let low = try hex()
                if (0xDC00..<0xE000).contains(low) {
                    code = 0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00)
                }
            }
            let scalar = Unicode.Scalar(code) ?? "\u{FFFD}"
            out.append(contentsOf: Character(scalar).utf8)
        default: throw failure("unknown escape in a string")
        }
    }

    private mutating func hex() throws(DecodingIssue) -> UInt32 {
        guard position + 4 <= bytes.count,
            let code = UInt32(String(decoding: bytes[position..<position + 4], as: UTF8.self), radix: 16)
        else { throw failure("\\u needs four hexadecimal digits") }
        position += 4
        return code
    }
}
