import NIOCore

/// What is answered to requests, in the form that the client has chosen.
extension NBDSession {
    /// - Parameter pieces: exactly what was asked for.
    func reply(_ request: Request, _ pieces: [NBDPiece]) -> ByteBuffer {
        var bytes = ByteBuffer()
        guard isStructured else {
            bytes.reserveCapacity(16 + pieces.reduce(0) { $0 + $1.count })
            Self.writeSimple(&bytes, request.handle, error: 0)
            for piece in pieces {
                switch piece {
                case .data(let data): bytes.writeImmutableBuffer(data)
                case .zeros(let count): bytes.writeRepeatingByte(0, count: count)
                }
            }
            return bytes
        }
        var offset = request.range.lowerBound
        for (number, piece) in pieces.enumerated() {
            let flags = number == pieces.count - 1 ? NBDWire.Chunk.done : 0
            switch piece {
            case .data(let data):
                Self.writeChunk(&bytes, flags, NBDWire.Chunk.data, request.handle, length: 8 + data.readableBytes)
                bytes.writeInteger(offset)
                bytes.writeImmutableBuffer(data)
            case .zeros(let count):
                Self.writeChunk(&bytes, flags, NBDWire.Chunk.hole, request.handle, length: 12)
                bytes.writeInteger(offset)
                bytes.writeInteger(UInt32(count))
            }
            offset += UInt64(piece.count)
        }
        return bytes
    }

    /// - Parameter extents: from the beginning of what was asked for.
    func reply(_ request: Request, extents: [NBDExtent]) -> ByteBuffer {
        var bytes = ByteBuffer()
        let extents = request.wantsOne ? extents.prefix(1) : extents[...]
        Self.writeChunk(
            &bytes, NBDWire.Chunk.done, NBDWire.Chunk.blockStatus, request.handle, length: 4 + 8 * extents.count)
        bytes.writeInteger(NBDWire.allocationID)
        for extent in extents {
            bytes.writeInteger(UInt32(min(extent.length, UInt64(UInt32.max))))
            bytes.writeInteger(extent.isHole ? NBDWire.holeAndZero : 0)
        }
        return bytes
    }

    func failure(_ handle: UInt64, _ code: NBDErrorCode, _ message: String) -> ByteBuffer {
        var bytes = ByteBuffer()
        guard isStructured else {
            Self.writeSimple(&bytes, handle, error: code.rawValue)
            return bytes
        }
        let text = Array(message.utf8.prefix(1024))
        Self.writeChunk(&bytes, NBDWire.Chunk.done, NBDWire.Chunk.error, handle, length: 6 + text.count)
        bytes.writeInteger(code.rawValue)
        bytes.writeInteger(UInt16(text.count))
        bytes.writeBytes(text)
        return bytes
    }

    func success(_ handle: UInt64) -> ByteBuffer {
        var bytes = ByteBuffer()
        Self.writeSimple(&bytes, handle, error: 0)
        return bytes
    }

    private static func writeSimple(_ bytes: inout ByteBuffer, _ handle: UInt64, error: UInt32) {
        bytes.writeInteger(NBDWire.simpleReply)
        bytes.writeInteger(error)
        bytes.writeInteger(handle)
    }

    private static func writeChunk(
        _ bytes: inout ByteBuffer, _ flags: UInt16, _ type: UInt16, _ handle: UInt64, length: Int
    ) {
        bytes.writeInteger(NBDWire.structuredReply)
        bytes.writeInteger(flags)
        bytes.writeInteger(type)
        bytes.writeInteger(handle)
        bytes.writeInteger(UInt32(length))
    }
}
