public import NIOCore

/// One unit on the control socket: a length, a kind, and so many bytes.
public struct ControlFrame: Sendable, Hashable {
    /// What a frame carries. A kind that is not known is skipped: a newer peer may send it.
    public struct Kind: RawRepresentable, Sendable, Hashable {
        public let rawValue: UInt8
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// JSON: a request, its reply, or a status.
        public static let message = Kind(rawValue: 1)
        /// Bytes for the guest.
        public static let input = Kind(rawValue: 2)
        public static let inputEnd = Kind(rawValue: 3)
        /// Columns and rows, two bytes each.
        public static let resize = Kind(rawValue: 4)
        public static let output = Kind(rawValue: 5)
        public static let errorOutput = Kind(rawValue: 6)
        /// The guest sends no more; it may still read.
        public static let outputEnd = Kind(rawValue: 7)
        /// An exit code, four bytes.
        public static let exited = Kind(rawValue: 8)
        /// JSON: the error that ended a session.
        public static let failed = Kind(rawValue: 9)
        /// The answer takes time, and the supervisor lives.
        public static let alive = Kind(rawValue: 10)
    }

    public var kind: Kind
    public var payload: ByteBuffer

    public init(_ kind: Kind, _ payload: ByteBuffer = ByteBuffer()) {
        self.kind = kind
        self.payload = payload
    }

    /// Bytes of payload that one frame holds at most.
    public static let limit = 4 << 20
    static let headerLength = 5

    func write(to buffer: inout ByteBuffer) {
        buffer.reserveCapacity(minimumWritableBytes: Self.headerLength + payload.readableBytes)
        buffer.writeInteger(UInt32(payload.readableBytes))
        buffer.writeInteger(kind.rawValue)
        buffer.writeImmutableBuffer(payload)
    }
}

/// Cuts a stream of bytes into frames.
public struct ControlFrameDecoder: Sendable {
    private var buffer = ByteBuffer()

    public init() {}

    /// Bytes that came and are no whole frame yet.
    public var pending: Int { buffer.readableBytes }

    public mutating func feed(_ bytes: ByteBuffer) {
        if buffer.readableBytes == 0 {
            buffer = bytes
        } else {
            buffer.discardReadBytes()
            buffer.writeImmutableBuffer(bytes)
        }
    }

    /// The next frame; nil until more has come.
    /// - Throws: `VZEngineError` with `protocolVersion` for what is no frame.
    public mutating func next() throws(VZEngineError) -> ControlFrame? {
        guard let length: UInt32 = buffer.getInteger(at: buffer.readerIndex) else { return nil }
        guard length <= ControlFrame.limit else {
            throw VZEngineError(
                .protocolVersion,
                "the peer of a control socket sent a frame of \(length) bytes: it speaks something else")
        }
        guard buffer.readableBytes >= ControlFrame.headerLength + Int(length) else { return nil }
        buffer.moveReaderIndex(forwardBy: 4)
        guard let kind: UInt8 = buffer.readInteger(), let payload = buffer.readSlice(length: Int(length)) else {
            return nil
        }
        return ControlFrame(.init(rawValue: kind), payload)
    }
}
