import NIOCore

/// Finds where a command's own output begins, in what a guest prints.
struct Preamble {
    private let marker: [UInt8]
    private let hasErrorOutput: Bool
    private(set) var processID: Int32?
    private var output: [UInt8] = []
    private var errors: [UInt8] = []
    private var errorsBegan: Bool

    /// Start-up files that print more than this before a command are not put up with.
    static let limit = 256 << 10

    init(marker: String, hasErrorOutput: Bool) {
        self.marker = Array(marker.utf8)
        self.hasErrorOutput = hasErrorOutput
        errorsBegan = !hasErrorOutput
    }

    /// The command is running: what ``rest`` holds and what comes now is its own.
    var isComplete: Bool { processID != nil && errorsBegan }

    var isTooLong: Bool { output.count + errors.count > Self.limit }

    /// The command's output that arrived together with the marker.
    var rest: (output: ByteBuffer, errors: ByteBuffer) { (ByteBuffer(bytes: output), ByteBuffer(bytes: errors)) }

    /// What the guest said instead of running the command.
    var complaint: String {
        let text = String(decoding: errors + output, as: UTF8.self)
        return String(text.split(whereSeparator: \.isNewline).joined(separator: "; ").suffix(500))
    }

    mutating func take(output bytes: ByteBuffer) {
        output.append(contentsOf: bytes.readableBytesView)
        guard processID == nil, let (number, end) = mark(in: output, withNumber: true) else { return }
        processID = number
        output.removeFirst(end)
    }

    mutating func take(errors bytes: ByteBuffer) {
        errors.append(contentsOf: bytes.readableBytesView)
        guard !errorsBegan, let (_, end) = mark(in: errors, withNumber: false) else { return }
        errorsBegan = true
        errors.removeFirst(end)
    }

    /// The marker's line: its number, and where the line ends. Terminals end lines with CR LF.
    private func mark(in bytes: [UInt8], withNumber: Bool) -> (Int32, Int)? {
        var from = bytes.startIndex
        while let start = bytes[from...].firstRange(of: marker) {
            var place = start.upperBound
            var number: Int32 = 0
            if withNumber {
                guard place < bytes.count, bytes[place] == UInt8(ascii: " ") else {
                    from = start.upperBound
                    continue
                }
                place += 1
                while place < bytes.count, let digit = Int32(String(UnicodeScalar(bytes[place]))), number < 1 << 26 {
                    number = number * 10 + digit
                    place += 1
                }
            }
            while place < bytes.count, bytes[place] == UInt8(ascii: "\r") { place += 1 }
            guard place < bytes.count else { return nil }
            if bytes[place] == UInt8(ascii: "\n"), !withNumber || number > 0 { return (number, place + 1) }
            from = start.upperBound
        }
        return nil
    }
}
