/// What went through one interface of a network namespace.
public struct InterfaceCounters: Sendable, Hashable {
    public var name: String
    public var receivedBytes: UInt64
    public var receiveErrors: UInt64
    public var sentBytes: UInt64
    public var sendErrors: UInt64

    /// - Parameter text: as `/proc/net/dev` has it.
    public static func parse(_ text: String) -> [InterfaceCounters] {
        text.split(separator: "\n").compactMap { line in
            // The two lines of headings have no colon.
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let numbers = line[line.index(after: colon)...].split(separator: " ").map { UInt64($0) }
            guard numbers.count >= 16, let received = numbers[0], let receiveErrors = numbers[2],
                let sent = numbers[8], let sendErrors = numbers[10]
            else { return nil }
            return InterfaceCounters(
                name: String(line[..<colon].drop { $0 == " " }), receivedBytes: received,
                receiveErrors: receiveErrors, sentBytes: sent, sendErrors: sendErrors)
        }
    }
}
