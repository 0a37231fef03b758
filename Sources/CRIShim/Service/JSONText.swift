/// Small JSON objects for the `info` of verbose answers, written without a JSON library.
enum JSONText {
    enum Value {
        case text(String)
        case number(Int)
        case flag(Bool)
        /// Already JSON.
        case raw(String)
    }

    static func object(_ members: [(String, Value)]) -> String {
        "{" + members.map { "\(quoted($0)):\(written($1))" }.joined(separator: ",") + "}"
    }

    static func array(_ texts: [String]) -> Value {
        .raw("[" + texts.map(quoted).joined(separator: ",") + "]")
    }

    private static func written(_ value: Value) -> String {
        switch value {
        case .text(let text): quoted(text)
        case .number(let number): String(number)
        case .flag(let flag): flag ? "true" : "false"
        case .raw(let json): json
        }
    }

    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\r": result += "\\r"
            case "\t": result += "\\t"
            case _ where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
