import KubeAPI
import Support

/// Makes documents nobody sane writes of one that is well made.
struct HostileValues {
    var random: SeededRandom
    /// Where nothing may ever be written.
    let outside: String
    /// How likely one part of a document is spoiled.
    var chance = 0.03

    private static let numbers: [Int64] = [
        .min, -1 << 53, -1 << 31, -1, 0, 1, 2, 30, 493, 65535, 65536, 1 << 31, 1 << 53, .max - 1, .max,
    ]
    private static let words = [
        "", ".", "..", "/", "//", "...", "..data", "..data_tmp", "a/../../b", "\u{0}", "x\u{0}y", "\n", " ", "-", "-rf",
        "ü😀", "\u{202E}x", "$(KEY)", "$(", "$$(POD)", "%2e%2e%2f", "*", "~", "c", "KEY", "map", "token", "Always",
        "-1", "1e400", "999999999999Ei", "-1Ei", "1.5.5", "0x10", "2024-13-45T99:99:99Z", "{\"a\":1}", "cpu",
    ]

    private mutating func pick<T>(_ all: [T]) -> T { all[Int.random(in: 0..<all.count, using: &random)] }

    mutating func text() -> String {
        switch Int.random(in: 0..<20, using: &random) {
        case 0: String(repeating: "n", count: 1 << Int.random(in: 6...16, using: &random))
        case 1: String(repeating: "../", count: Int.random(in: 1...40, using: &random)) + "outside/evil"
        case 2: outside + "/evil"
        case 3: String(repeating: "d/", count: Int.random(in: 10...3000, using: &random)) + "f"
        case 4: "../" + text()
        default: pick(Self.words)
        }
    }

    /// A value of any kind.
    mutating func value(depth: Int = 0) -> Value {
        switch Int.random(in: 0..<12, using: &random) {
        case 0: return Value(.null)
        case 1: return Value(.bool(Bool.random(using: &random)))
        case 2, 3, 4: return Value(.int(pick(Self.numbers)))
        case 5: return Value(.double(pick([0.5, -1e308, 1e308, 1e-300])))
        case 6:
            let count = depth > 3 ? 1 : pick([0, 1, 2, 300])
            let element = Value(.string(text()))
            return Value(.array(Array(repeating: element, count: count)))
        case 7:
            guard depth <= 3 else { return Value(.object([])) }
            return Value(.object([Member(text(), value(depth: depth + 1)), Member(text(), value(depth: depth + 1))]))
        case 8:
            // As deep as a reader allows, and deeper.
            let isList = Bool.random(using: &random)
            return (0..<pick([3, 100, 230])).reduce(Value(.string("deep"))) { inner, _ in
                isList ? Value(.array([inner])) : Value(.object([Member("d", inner)]))
            }
        default: return Value(.string(text()))
        }
    }

    /// The document with some of its parts spoiled.
    mutating func spoiled(_ document: Value) -> Value {
        func happens() -> Bool { Double.random(in: 0..<1, using: &random) < chance }
        if happens() { return value() }
        switch document.kind {
        case .object(let members):
            var result: [Member] = []
            for member in members {
                if happens() { continue }
                var member = member
                member.value = spoiled(member.value)
                if happens() { member.name = text() }
                result.append(member)
                // JSON allows a name twice.
                if happens() { result.append(Member(member.name, value())) }
            }
            return Value(.object(result))
        case .array(let values):
            if happens() { return Value(.array([])) }
            var result: [Value] = []
            for value in values {
                let value = spoiled(value)
                result.append(value)
                if happens() { result += [value, value] }
            }
            return Value(.array(result))
        // Of what is short, more is spoiled the same way it was meant.
        case .string: return happens() || happens() ? Value(.string(text())) : document
        case .int: return happens() || happens() ? Value(.int(pick(Self.numbers))) : document
        default: return document
        }
    }

    /// The text with some bytes changed, lost or put in.
    mutating func spoiled(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0..<Int.random(in: 1...8, using: &random) where !bytes.isEmpty {
            let index = Int.random(in: 0..<bytes.count, using: &random)
            switch Int.random(in: 0..<4, using: &random) {
            case 0: bytes[index] = UInt8.random(in: 0...255, using: &random)
            case 1: bytes.remove(at: index)
            case 2: bytes.insert(pick(Array("{}[]\",:\\u0e-".utf8)), at: index)
            default: bytes.removeSubrange(index..<min(bytes.count, index + 200))
            }
        }
        return bytes
    }
}
