/// What a guest writes, made harmless for a terminal: colours stay, everything else that would move the cursor, change the
/// screen or make the terminal answer goes. Carriage returns go too.
public struct TerminalFilter: Sendable {
    private enum State: Sendable {
        case text
        /// After ESC.
        case escape
        /// After ESC and characters that say a final one follows.
        case designation
        /// In ESC [ …; what it has so far.
        case control([UInt8])
        /// In a string that BEL or ESC \ ends.
        case string
        case stringEscape
    }

    private var state = State.text

    public init() {}

    /// - Parameter bytes: the next ones; a sequence may be cut anywhere.
    public mutating func filter(_ bytes: some Sequence<UInt8>) -> [UInt8] {
        var out: [UInt8] = []
        for byte in bytes { take(byte, &out) }
        return out
    }

    private mutating func take(_ byte: UInt8, _ out: inout [UInt8]) {
        switch state {
        case .text:
            switch byte {
            case 0x1b: state = .escape
            case UInt8(ascii: "\n"), UInt8(ascii: "\t"), 0x20..<0x7f, 0x80...: out.append(byte)
            default: break
            }
        case .escape:
            switch byte {
            case UInt8(ascii: "["): state = .control([])
            case UInt8(ascii: "]"), UInt8(ascii: "P"), UInt8(ascii: "X"), UInt8(ascii: "^"), UInt8(ascii: "_"):
                state = .string
            case 0x20..<0x30: state = .designation
            case 0x1b: break
            case UInt8(ascii: "\n"):
                out.append(byte)
                state = .text
            default: state = .text
            }
        case .designation:
            if !(0x20..<0x30).contains(byte) { state = .text }
        case .control(var sequence):
            if (0x20..<0x40).contains(byte), sequence.count < 64 {
                sequence.append(byte)
                state = .control(sequence)
            } else {
                if byte == UInt8(ascii: "m"), sequence.allSatisfy({ (0x30...0x3b).contains($0) }) {
                    out += [0x1b, UInt8(ascii: "[")] + sequence + [byte]
                }
                state = byte == 0x1b ? .escape : .text
                if byte == UInt8(ascii: "\n") { out.append(byte) }
            }
        case .string:
            if byte == 0x07 { state = .text }
            if byte == 0x1b { state = .stringEscape }
            // No terminal's string goes over a line's end.
            if byte == UInt8(ascii: "\n") {
                out.append(byte)
                state = .text
            }
        case .stringEscape:
            state = byte == UInt8(ascii: "\\") ? .text : .escape
            if byte != UInt8(ascii: "\\") { take(byte, &out) }
        }
    }
}
