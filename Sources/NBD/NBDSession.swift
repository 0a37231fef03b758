import NIOCore

/// The server's side of one connection, without any I/O: what the client sends goes in, what is to be done comes out.
///
/// Fixed newstyle handshake; exports are read-only. Answers may go out in any order.
struct NBDSession: Sendable {
    /// What a client may choose.
    struct Offer: Sendable, Hashable {
        var name: String
        var size: UInt64
    }

    struct Request: Sendable, Hashable {
        /// Number of the offer.
        var export: Int
        var handle: UInt64
        var range: Range<UInt64>
        /// Of block status: only the first extent.
        var wantsOne = false
    }

    enum Action: Sendable, Hashable {
        case send(ByteBuffer)
        case read(Request)
        case status(Request)
        /// The client is done, or has said what nobody can understand.
        case close
    }

    private enum State {
        case clientFlags
        case options
        case transmission(export: Int)
        case ended
    }

    private let offers: [Offer]
    private var state = State.clientFlags
    private var padsAnswer = true
    private(set) var isStructured = false
    private var hasAllocation = false
    /// Bytes of a refused write that are still to come.
    private var skip = 0
    private var rest = ByteBuffer()

    init(offers: [Offer]) { self.offers = offers }

    /// What the server says first.
    static var greeting: ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.greeting)
        bytes.writeInteger(NBDWire.optionMagic)
        bytes.writeInteger(NBDWire.Handshake.fixedNewstyle | NBDWire.Handshake.noZeroes)
        return bytes
    }

    /// Takes what came.
    mutating func receive(_ bytes: ByteBuffer) -> [Action] {
        var bytes = bytes
        rest.writeBuffer(&bytes)
        var actions: [Action] = []
        while step(&actions) {}
        rest.discardReadBytes()
        return actions
    }

    /// - Returns: whether something was taken.
    private mutating func step(_ actions: inout [Action]) -> Bool {
        switch state {
        case .clientFlags:
            guard let flags: UInt32 = rest.readInteger() else { return false }
            let known = UInt32(NBDWire.Handshake.fixedNewstyle | NBDWire.Handshake.noZeroes)
            guard flags & ~known == 0 else { return end(&actions) }
            padsAnswer = flags & UInt32(NBDWire.Handshake.noZeroes) == 0
            state = .options
            return true
        case .options: return option(&actions)
        case .transmission(let export): return command(export, &actions)
        case .ended:
            rest.clear()
            return false
        }
    }

    private mutating func end(_ actions: inout [Action]) -> Bool {
        state = .ended
        actions.append(.close)
        return false
    }

    // MARK: Options

    private mutating func option(_ actions: inout [Action]) -> Bool {
        guard let magic: UInt64 = rest.getInteger(at: rest.readerIndex),
            let option: UInt32 = rest.getInteger(at: rest.readerIndex + 8),
            let length: UInt32 = rest.getInteger(at: rest.readerIndex + 12)
        else { return false }
        guard magic == NBDWire.optionMagic, length <= NBDWire.optionLimit else { return end(&actions) }
        guard rest.readableBytes >= 16 + Int(length) else { return false }
        rest.moveReaderIndex(forwardBy: 16)
        guard var data = rest.readSlice(length: Int(length)) else { return end(&actions) }
        func answer(_ type: UInt32, _ body: ByteBuffer = ByteBuffer()) {
            actions.append(.send(Self.optionReply(option, type, body)))
        }
        switch option {
        case NBDWire.Option.exportName:
            // There is no way to say no.
            guard let export = number(of: String(buffer: data)) else { return end(&actions) }
            var bytes = ByteBuffer()
            bytes.writeInteger(offers[export].size)
            bytes.writeInteger(NBDWire.Transmission.ours)
            if padsAnswer { bytes.writeRepeatingByte(0, count: 124) }
            actions.append(.send(bytes))
            state = .transmission(export: export)
        case NBDWire.Option.abort:
            answer(NBDWire.OptionReply.acknowledged)
            return end(&actions)
        case NBDWire.Option.list:
            guard data.readableBytes == 0 else {
                answer(NBDWire.OptionReply.invalid)
                break
            }
            for offer in offers { answer(NBDWire.OptionReply.server, Self.text(offer.name)) }
            answer(NBDWire.OptionReply.acknowledged)
        case NBDWire.Option.info, NBDWire.Option.go:
            guard let (name, wanted) = Self.infoRequest(&data) else {
                answer(NBDWire.OptionReply.invalid)
                break
            }
            guard let export = number(of: name) else {
                answer(NBDWire.OptionReply.unknownExport)
                break
            }
            answer(NBDWire.OptionReply.info, Self.info(offers[export]))
            if wanted.contains(NBDWire.Info.blockSize) { answer(NBDWire.OptionReply.info, Self.blockSizes) }
            answer(NBDWire.OptionReply.acknowledged)
            if option == NBDWire.Option.go { state = .transmission(export: export) }
        case NBDWire.Option.structuredReply:
            isStructured = isStructured || data.readableBytes == 0
            answer(data.readableBytes == 0 ? NBDWire.OptionReply.acknowledged : NBDWire.OptionReply.invalid)
        case NBDWire.Option.listContexts, NBDWire.Option.setContexts:
            contexts(option, &data, &actions)
        default: answer(NBDWire.OptionReply.unsupported)
        }
        return true
    }

    /// What can be asked of an export besides its content: where it is holes.
    private mutating func contexts(_ option: UInt32, _ data: inout ByteBuffer, _ actions: inout [Action]) {
        let isSetting = option == NBDWire.Option.setContexts
        if isSetting { hasAllocation = false }
        guard isStructured, let name = Self.readText(&data), let count: UInt32 = data.readInteger(), count <= 1024
        else {
            return actions.append(.send(Self.optionReply(option, NBDWire.OptionReply.invalid)))
        }
        guard number(of: name) != nil else {
            return actions.append(.send(Self.optionReply(option, NBDWire.OptionReply.unknownExport)))
        }
        var isWanted = count == 0 && !isSetting
        for _ in 0..<count {
            guard let query = Self.readText(&data) else {
                return actions.append(.send(Self.optionReply(option, NBDWire.OptionReply.invalid)))
            }
            if query == NBDWire.allocation || (!isSetting && query == "base:") { isWanted = true }
        }
        if isWanted {
            var body = ByteBuffer()
            body.writeInteger(isSetting ? NBDWire.allocationID : 0)
            body.writeString(NBDWire.allocation)
            actions.append(.send(Self.optionReply(option, NBDWire.OptionReply.context, body)))
            if isSetting { hasAllocation = true }
        }
        actions.append(.send(Self.optionReply(option, NBDWire.OptionReply.acknowledged)))
    }

    /// Without a name the first one is meant.
    private func number(of name: String) -> Int? {
        name.isEmpty ? (offers.isEmpty ? nil : 0) : offers.firstIndex { $0.name == name }
    }

    private static func infoRequest(_ data: inout ByteBuffer) -> (name: String, wanted: [UInt16])? {
        guard let name = readText(&data), let count: UInt16 = data.readInteger() else { return nil }
        var wanted: [UInt16] = []
        for _ in 0..<count {
            guard let kind: UInt16 = data.readInteger() else { return nil }
            wanted.append(kind)
        }
        return (name, wanted)
    }

    private static func info(_ offer: Offer) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.Info.export)
        bytes.writeInteger(offer.size)
        bytes.writeInteger(NBDWire.Transmission.ours)
        return bytes
    }

    /// The least, the best, and the most.
    private static var blockSizes: ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.Info.blockSize)
        for size in [1, 4096, UInt32(NBDWire.readLimit)] { bytes.writeInteger(size) }
        return bytes
    }

    private static func text(_ text: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt32(text.utf8.count))
        bytes.writeString(text)
        return bytes
    }

    private static func readText(_ data: inout ByteBuffer) -> String? {
        guard let length: UInt32 = data.readInteger(), length <= 4096 else { return nil }
        return data.readString(length: Int(length))
    }

    static func optionReply(_ option: UInt32, _ type: UInt32, _ body: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.optionReply)
        bytes.writeInteger(option)
        bytes.writeInteger(type)
        bytes.writeInteger(UInt32(body.readableBytes))
        bytes.writeImmutableBuffer(body)
        return bytes
    }

    // MARK: Commands

    private mutating func command(_ export: Int, _ actions: inout [Action]) -> Bool {
        if skip > 0 {
            let count = min(skip, rest.readableBytes)
            rest.moveReaderIndex(forwardBy: count)
            skip -= count
            return count > 0
        }
        guard rest.readableBytes >= 28 else { return false }
        guard let magic: UInt32 = rest.readInteger(), magic == NBDWire.request, let flags: UInt16 = rest.readInteger(),
            let type: UInt16 = rest.readInteger(), let handle: UInt64 = rest.readInteger(),
            let offset: UInt64 = rest.readInteger(), let length: UInt32 = rest.readInteger()
        else { return end(&actions) }
        let size = offers[export].size
        let isInside = length > 0 && offset < size && UInt64(length) <= size - offset
        func refuse(_ code: NBDErrorCode, _ message: String) {
            actions.append(.send(failure(handle, code, message)))
        }
        switch type {
        case NBDWire.Command.read:
            guard isInside, length <= NBDWire.readLimit else {
                refuse(.invalid, "there is nothing to read there")
                break
            }
            actions.append(.read(.init(export: export, handle: handle, range: offset..<offset + UInt64(length))))
        case NBDWire.Command.blockStatus:
            guard isInside, hasAllocation else {
                refuse(.invalid, "nothing is known of that")
                break
            }
            actions.append(
                .status(
                    .init(
                        export: export, handle: handle, range: offset..<offset + UInt64(length),
                        wantsOne: flags & NBDWire.Command.one != 0)))
        // Nothing is ever written.
        case NBDWire.Command.flush: actions.append(.send(success(handle)))
        case NBDWire.Command.disconnect: return end(&actions)
        case NBDWire.Command.write:
            skip = Int(length)
            refuse(.notPermitted, "it is read-only")
        case NBDWire.Command.trim, NBDWire.Command.writeZeroes: refuse(.notPermitted, "it is read-only")
        default: refuse(.invalid, "there is no such command")
        }
        return true
    }
}
