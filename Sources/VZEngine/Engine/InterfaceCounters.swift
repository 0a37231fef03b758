/// What went through one interface of a network namespace.
public struct InterfaceCounters: Sendable, Hashable {
    public var name: String
    public var receivedBytes: UInt64 = 0
    public var receivedPackets: UInt64 = 0
    public var receiveErrors: UInt64 = 0
    public var receivedDropped: UInt64 = 0
    public var sentBytes: UInt64 = 0
    public var sentPackets: UInt64 = 0
    public var sendErrors: UInt64 = 0
    public var sentDropped: UInt64 = 0

    public init(name: String) { self.name = name }

    /// - Parameter text: as `/proc/net/dev` has it.
    public static func parse(_ text: String) -> [InterfaceCounters] {
        text.split(separator: "\n").compactMap { line in
            // The two lines of headings have no colon.
            guard let colon = line.firstIndex(of: ":") else { return nil }
            let numbers = line[line.index(after: colon)...].split(separator: " ").map { UInt64($0) }
            guard numbers.count >= 16, !numbers.contains(nil) else { return nil }
            var counters = InterfaceCounters(name: String(line[..<colon].drop { $0 == " " }))
            counters.receivedBytes = numbers[0] ?? 0
            counters.receivedPackets = numbers[1] ?? 0
            counters.receiveErrors = numbers[2] ?? 0
            counters.receivedDropped = numbers[3] ?? 0
            counters.sentBytes = numbers[8] ?? 0
            counters.sentPackets = numbers[9] ?? 0
            counters.sendErrors = numbers[10] ?? 0
            counters.sentDropped = numbers[11] ?? 0
            return counters
        }
    }
}
