/// What the kernel of Linux says of a neighbour, as its route socket has it (rtnetlink(7)).
struct NeighbourMessage: Sendable, Hashable {
    var interface: Int32
    var address: NetworkAddress
    var hardwareAddress: HardwareAddress
    /// It has answered just now.
    var isConfirmed: Bool
    /// Part of the answer to a question, and not news.
    var isAnswer: Bool

    /// The sequence number of our question.
    static let sequence: UInt32 = 1

    /// A question for all of them.
    static var question: [UInt8] {
        // Header: length, type (RTM_GETNEIGH), flags (REQUEST, DUMP), sequence, sender. Then: family (AF_INET).
        words(UInt32(28)) + words(UInt16(30)) + words(UInt16(0x301)) + words(sequence) + words(UInt32(0)) + [2]
            + [UInt8](repeating: 0, count: 11)
    }

    private static func words(_ value: some FixedWidthInteger) -> [UInt8] { withUnsafeBytes(of: value) { Array($0) } }

    /// All of one datagram, those that have gone, and are not IPv4's, left out.
    static func read(_ datagram: ArraySlice<UInt8>) -> [NeighbourMessage] {
        var messages: [NeighbourMessage] = []
        var rest = datagram
        while let length: UInt32 = number(rest, 0), length >= 16, Int(length) <= rest.count {
            let message = rest.prefix(Int(length))
            if let found = one(message) { messages.append(found) }
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        return messages
    }

    private static func one(_ message: ArraySlice<UInt8>) -> NeighbourMessage? {
        let newNeighbour: UInt16 = 28
        guard let type: UInt16 = number(message, 4), type == newNeighbour, let sequence: UInt32 = number(message, 8),
            let interface: Int32 = number(message, 20), let state: UInt16 = number(message, 24), message.count >= 28,
            message[message.startIndex + 16] == 2
        else { return nil }
        let (incomplete, reachable, failed): (UInt16, UInt16, UInt16) = (0x01, 0x02, 0x20)
        guard state != 0, state & (incomplete | failed) == 0 else { return nil }
        var (address, card): (NetworkAddress?, HardwareAddress?)
        var rest = message.dropFirst(28)
        while let length: UInt16 = number(rest, 0), length >= 4, Int(length) <= rest.count {
            let value = rest.prefix(Int(length)).dropFirst(4)
            let kind: UInt16? = number(rest, 2)
            if kind == 1 { address = NetworkAddress(bytes: value) }
            if kind == 2 { card = HardwareAddress(bytes: value) }
            rest = rest.dropFirst((Int(length) + 3) & ~3)
        }
        guard let address, let card else { return nil }
        return NeighbourMessage(
            interface: interface, address: address, hardwareAddress: card, isConfirmed: state & reachable != 0,
            isAnswer: sequence == Self.sequence)
    }

    private static func number<N: FixedWidthInteger>(_ bytes: ArraySlice<UInt8>, _ offset: Int) -> N? {
        let size = MemoryLayout<N>.size
        guard bytes.count >= offset + size else { return nil }
        return bytes.dropFirst(offset).prefix(size).withUnsafeBytes { $0.loadUnaligned(as: N.self) }
    }
}
