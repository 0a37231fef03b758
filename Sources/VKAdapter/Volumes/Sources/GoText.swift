/// Texts as Go writes them: programs in pods read them like that.
enum GoText {
    /// `%q`: in quotes, with everything escaped that cannot be seen.
    static func quoted(_ text: String) -> String {
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case "\u{07}": out += "\\a"
            case "\u{08}": out += "\\b"
            case "\u{0C}": out += "\\f"
            case "\n": out += "\\n"
            case "\r": out += "\\r"
            case "\t": out += "\\t"
            case "\u{0B}": out += "\\v"
            case " ": out += " "
            default: out += isSeen(scalar) ? String(scalar) : escaped(scalar.value)
            }
        }
        return out + "\""
    }

    private static func isSeen(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned, .spaceSeparator, .lineSeparator,
            .paragraphSeparator:
            false
        default: true
        }
    }

    private static func escaped(_ value: UInt32) -> String {
        func hex(_ count: Int) -> String {
            let digits = String(value, radix: 16)
            return String(repeating: "0", count: max(0, count - digits.count)) + digits
        }
        if value < 0x80 { return "\\x" + hex(2) }
        return value < 0x10000 ? "\\u" + hex(4) : "\\U" + hex(8)
    }
}
