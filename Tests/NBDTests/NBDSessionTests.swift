import NIOCore
import Testing

@testable import NBD

@Suite("A server's side of a connection")
struct NBDSessionTests {
    private let offers = [NBDSession.Offer(name: "disk0", size: 10_000), .init(name: "disk1", size: 1 << 40)]

    private func session() -> NBDSession { NBDSession(offers: offers) }

    private static func option(_ number: UInt32, _ data: ByteBuffer = ByteBuffer()) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.optionMagic)
        bytes.writeInteger(number)
        bytes.writeInteger(UInt32(data.readableBytes))
        bytes.writeImmutableBuffer(data)
        return bytes
    }

    private static func info(_ name: String, _ wanted: [UInt16] = []) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(UInt32(name.utf8.count))
        bytes.writeString(name)
        bytes.writeInteger(UInt16(wanted.count))
        for kind in wanted { bytes.writeInteger(kind) }
        return bytes
    }

    private static func contexts(_ name: String, _ queries: [String]) -> ByteBuffer {
        var bytes = ByteBuffer()
        for text in [name] { write(text, to: &bytes) }
        bytes.writeInteger(UInt32(queries.count))
        for query in queries { write(query, to: &bytes) }
        return bytes
    }

    private static func write(_ text: String, to bytes: inout ByteBuffer) {
        bytes.writeInteger(UInt32(text.utf8.count))
        bytes.writeString(text)
    }

    private static func request(
        _ type: UInt16, handle: UInt64 = 7, offset: UInt64 = 0, length: UInt32, flags: UInt16 = 0
    ) -> ByteBuffer {
        var bytes = ByteBuffer()
        bytes.writeInteger(NBDWire.request)
        bytes.writeInteger(flags)
        bytes.writeInteger(type)
        bytes.writeInteger(handle)
        bytes.writeInteger(offset)
        bytes.writeInteger(length)
        return bytes
    }

    private static let flags = ByteBuffer(integer: UInt32(3))

    /// A connection that is past its handshake.
    private func open(_ name: String = "disk0", structured: Bool = false) -> NBDSession {
        var session = session()
        _ = session.receive(Self.flags)
        if structured {
            _ = session.receive(Self.option(NBDWire.Option.structuredReply))
            _ = session.receive(Self.option(NBDWire.Option.setContexts, Self.contexts(name, [NBDWire.allocation])))
        }
        _ = session.receive(Self.option(NBDWire.Option.go, Self.info(name)))
        return session
    }

    /// The types of the option replies among what is sent.
    private func types(_ actions: [NBDSession.Action]) -> [UInt32] {
        actions.compactMap { action in
            guard case .send(let bytes) = action else { return nil }
            return bytes.getInteger(at: bytes.readerIndex + 12)
        }
    }

    @Test("greets as the fixed newstyle handshake does")
    func greeting() {
        #expect(Array(NBDSession.greeting.readableBytesView) == Array("NBDMAGICIHAVEOPT".utf8) + [0, 3])
    }

    @Test("a client that goes is told size and flags, and may read from then on")
    func go() {
        var session = session()
        #expect(session.receive(Self.flags).isEmpty)
        let actions = session.receive(Self.option(NBDWire.Option.go, Self.info("disk1", [NBDWire.Info.blockSize])))
        #expect(types(actions) == [3, 3, 1])
        guard case .send(var info)? = actions.first else {
            Issue.record("no answer")
            return
        }
        info.moveReaderIndex(forwardBy: 20)
        #expect(info.readInteger(as: UInt16.self) == 0)
        #expect(info.readInteger(as: UInt64.self) == 1 << 40)
        #expect(info.readInteger(as: UInt16.self) == 0b1_0000_0111)
        let read = session.receive(Self.request(0, offset: 4096, length: 512))
        #expect(read == [.read(.init(export: 1, handle: 7, range: 4096..<4608))])
    }

    @Test("the old way to choose an export pads its answer unless the client wants none", arguments: [true, false])
    func exportName(isPadded: Bool) {
        var session = session()
        _ = session.receive(ByteBuffer(integer: UInt32(isPadded ? 1 : 3)))
        let actions = session.receive(Self.option(NBDWire.Option.exportName, ByteBuffer(string: "")))
        guard case .send(let answer)? = actions.first else {
            Issue.record("no answer")
            return
        }
        #expect(answer.readableBytes == (isPadded ? 134 : 10))
        #expect(session.receive(Self.request(0, length: 1)).count == 1)
    }

    @Test("exports are listed; what does not exist, or makes no sense, is refused and the talk goes on")
    func options() {
        var session = session()
        _ = session.receive(Self.flags)
        #expect(types(session.receive(Self.option(NBDWire.Option.list))) == [2, 2, 1])
        #expect(types(session.receive(Self.option(NBDWire.Option.info, Self.info("other")))) == [1 << 31 | 6])
        #expect(types(session.receive(Self.option(NBDWire.Option.go, ByteBuffer(string: "x")))) == [1 << 31 | 3])
        #expect(types(session.receive(Self.option(99))) == [1 << 31 | 1])
        let early = Self.option(NBDWire.Option.setContexts, Self.contexts("disk0", [NBDWire.allocation]))
        #expect(types(session.receive(early)) == [1 << 31 | 3], "structured replies come first")
        #expect(types(session.receive(Self.option(NBDWire.Option.structuredReply))) == [1])
        #expect(types(session.receive(early)) == [4, 1])
        let other = Self.option(NBDWire.Option.setContexts, Self.contexts("disk0", ["qemu:dirty-bitmap:x"]))
        #expect(types(session.receive(other)) == [1])
        let abort = session.receive(Self.option(NBDWire.Option.abort))
        #expect(abort.last == .close && types(abort) == [1])
    }

    @Test(
        "who speaks another language is left",
        arguments: [
            ByteBuffer(integer: UInt32(0xff)),
            { () -> ByteBuffer in
                var bytes = flags
                bytes.writeString("GET / HTTP/1.1\r\n\r\n")
                return bytes
            }(),
            { () -> ByteBuffer in
                var bytes = flags
                bytes.writeInteger(NBDWire.optionMagic)
                bytes.writeInteger(UInt32(7))
                bytes.writeInteger(UInt32.max)
                return bytes
            }(),
        ])
    func nonsense(bytes: ByteBuffer) {
        var session = session()
        #expect(session.receive(bytes) == [.close])
        #expect(session.receive(Self.flags).isEmpty, "nothing is taken after that")
    }

    @Test("bytes may come in any pieces")
    func pieces() {
        var all = Self.flags
        all.writeImmutableBuffer(Self.option(NBDWire.Option.go, Self.info("disk0")))
        all.writeImmutableBuffer(Self.request(0, handle: 1, length: 10))
        all.writeImmutableBuffer(Self.request(2, length: 0))
        var whole = session()
        let expected = whole.receive(all)
        var session = session()
        var found: [NBDSession.Action] = []
        for byte in all.readableBytesView { found += session.receive(ByteBuffer(bytes: [byte])) }
        #expect(found == expected && found.last == .close)
    }

    @Test(
        "what cannot be read is refused",
        arguments: [
            (9_999, 2), (10_000, 1), (0, 0), (.max, 1), (0, 33 << 20),
        ] as [(UInt64, UInt32)])
    func outside(offset: UInt64, length: UInt32) {
        var session = open()
        guard case .send(let answer)? = session.receive(Self.request(0, offset: offset, length: length)).first else {
            Issue.record("it is read")
            return
        }
        #expect(answer.getInteger(at: answer.readerIndex + 4, as: UInt32.self) == 22)
    }

    @Test("nothing is written, and what was to be written is not taken for commands")
    func writes() {
        var session = open()
        var bytes = Self.request(1, length: 100)
        bytes.writeRepeatingByte(0x25, count: 100)
        bytes.writeImmutableBuffer(Self.request(0, handle: 9, length: 1))
        let actions = session.receive(bytes)
        #expect(actions.count == 2)
        #expect(actions.last == .read(.init(export: 0, handle: 9, range: 0..<1)))
        guard case .send(let answer)? = actions.first else { return }
        #expect(answer.getInteger(at: answer.readerIndex + 4, as: UInt32.self) == 1)
    }

    @Test("zeros travel as a word where the client understands it, and as zeros where not")
    func zeros() {
        let pieces: [NBDPiece] = [.data(ByteBuffer(string: "ab")), .zeros(1000)]
        let request = NBDSession.Request(export: 0, handle: 5, range: 100..<1102)
        let plain = open().reply(request, pieces)
        #expect(plain.readableBytes == 16 + 1002)
        var words = open(structured: true).reply(request, pieces)
        #expect(words.readableBytes == 20 + 8 + 2 + 20 + 12)
        words.moveReaderIndex(forwardBy: 30)
        #expect(words.getInteger(at: words.readerIndex + 4, as: UInt16.self) == 1, "the last one says so")
        #expect(words.getInteger(at: words.readerIndex + 6, as: UInt16.self) == 2)
        #expect(words.getInteger(at: words.readerIndex + 20, as: UInt64.self) == 102)
        #expect(words.getInteger(at: words.readerIndex + 28, as: UInt32.self) == 1000)
    }

    @Test("holes are told to who asked to be told, one alone when one is wanted")
    func status() {
        var plain = open()
        let asked = Self.request(7, length: 4096)
        guard case .send(let refused)? = plain.receive(asked).first else {
            Issue.record("it is told")
            return
        }
        #expect(refused.getInteger(at: refused.readerIndex + 4, as: UInt32.self) == 22)
        var session = open(structured: true)
        guard case .status(var request)? = session.receive(asked).first else {
            Issue.record("it is not told")
            return
        }
        let extents = [NBDExtent(length: 1000, isHole: false), .init(length: 3096, isHole: true)]
        #expect(session.reply(request, extents: extents).readableBytes == 20 + 4 + 16)
        request.wantsOne = true
        var one = session.reply(request, extents: extents)
        one.moveReaderIndex(forwardBy: 20)
        #expect(one.readInteger(as: UInt32.self) == 1)
        #expect(one.readInteger(as: UInt64.self) == 1000 << 32)
        #expect(one.readableBytes == 0)
    }
}
