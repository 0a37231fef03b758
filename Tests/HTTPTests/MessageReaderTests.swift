import NIOCore
import NIOEmbedded
import NIOHTTP1
import Testing

@testable import HTTP

@Suite struct MessageReaderTests {
    private typealias Reader = MessageReader<HTTPServerRequestPart, HTTPServerResponsePart>

    /// Writes down what comes out of the reader, and holds behind an upgrade.
    private final class Recorder: ChannelInboundHandler, RemovableChannelHandler {
        typealias InboundIn = HTTPServerRequestPart
        let reader: Reader
        var text = ""
        var isUpgrade = false
        var sawError = false
        /// A head came behind an error.
        var readOn = false

        init(_ reader: Reader) { self.reader = reader }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            switch unwrapInboundIn(data) {
            case .head(let head):
                if sawError { readOn = true }
                text += "<\(head.method) \(head.uri)>"
                isUpgrade = head.headers.contains(name: "upgrade")
            case .body(let bytes): text += String(buffer: bytes)
            case .end:
                text += "."
                if isUpgrade { reader.hold() }
            }
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) { sawError = true }
    }

    /// Writes down raw bytes, their end included.
    private final class Raw: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer
        var text = ""
        func channelRead(context: ChannelHandlerContext, data: NIOAny) { text += String(buffer: unwrapInboundIn(data)) }
        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case .inputClosed? = event as? ChannelEvent { text += "|" }
        }
    }

    private static func make() throws -> (EmbeddedChannel, Recorder) {
        let recorder = Recorder(MessageReader(HTTPRequestDecoder()))
        let channel = EmbeddedChannel()
        try channel.pipeline.syncOperations.addHandlers(recorder.reader, recorder)
        try channel.connect(to: SocketAddress(unixDomainSocketPath: "/x")).wait()
        return (channel, recorder)
    }

    private static let requests = """
        POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello\
        POST /b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n\
        GET /c HTTP/1.1\r\nHost: x\r\nX-Long: 0123456789\r\n\r\n
        """
    private static let upgrade =
        "POST /up HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: y\r\n\r\n\r\n\r\nraw GET / HTTP/1.1\r\n\r\n"

    @Test func `messages are the same however their bytes are cut`() throws {
        let bytes = Array(Self.requests.utf8)
        for size in 1...bytes.count {
            let (channel, recorder) = try Self.make()
            for start in stride(from: 0, to: bytes.count, by: size) {
                try channel.writeInbound(ByteBuffer(bytes: bytes[start..<min(start + size, bytes.count)]))
            }
            #expect(recorder.text == "<POST /a>hello.<POST /b>abcde.<GET /c>.", "pieces of \(size)")
            _ = try channel.finish()
        }
    }

    /// The end comes with the bytes, before the switch or after it.
    @Test(arguments: [0, 1, 2])
    func `no byte behind an upgrade is lost or read as HTTP`(end: Int) throws {
        let bytes = Array(Self.upgrade.utf8)
        for size in 1...bytes.count {
            let (channel, recorder) = try Self.make()
            let pieces = stride(from: 0, to: bytes.count, by: size).map {
                ByteBuffer(bytes: bytes[$0..<min($0 + size, bytes.count)])
            }
            let before = end == 2 ? pieces.count - 1 : pieces.count
            for piece in pieces[..<before] { try channel.writeInbound(piece) }
            if end == 0 { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            guard recorder.reader.isHolding else {
                _ = try channel.finish()
                continue
            }
            #expect(recorder.text == "<POST /up>.")
            let raw = Raw()
            let pipeline = channel.pipeline.syncOperations
            try pipeline.addHandler(raw)
            pipeline.removeHandler(recorder, promise: nil)
            recorder.reader.release()
            for piece in pieces[before...] { try channel.writeInbound(piece) }
            if end != 0 { channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed) }
            #expect(raw.text == "\r\n\r\nraw GET / HTTP/1.1\r\n\r\n|", "pieces of \(size)")
            _ = try channel.finish()
        }
    }

    @Test func `nothing is read behind damaged bytes`() throws {
        var random = SystemRandomNumberGenerator()
        let clean = Array((Self.requests + Self.upgrade).utf8)
        for _ in 0..<2000 {
            let (channel, recorder) = try Self.make()
            var bytes = clean
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                bytes[Int.random(in: 0..<bytes.count, using: &random)] = UInt8.random(in: 0...255, using: &random)
            }
            while !bytes.isEmpty {
                let size = Int.random(in: 1...bytes.count, using: &random)
                try channel.writeInbound(ByteBuffer(bytes: bytes.prefix(size)))
                bytes.removeFirst(size)
            }
            #expect(!recorder.readOn, "\(recorder.text)")
            channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
            _ = try? channel.finish()
        }
    }
}
