import CZlib
import NIOCore

/// Compresses the header blocks of one direction of a connection, in the order of their frames.
final class HeaderCompressor {
    private let stream: UnsafeMutablePointer<z_stream>

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        // A small window: header blocks are short, and every connection has one of these.
        deflateInit2_(
            stream, 6, Z_DEFLATED, 12, 4, Z_DEFAULT_STRATEGY, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
        SPDYDictionary.bytes.withUnsafeBufferPointer {
            _ = deflateSetDictionary(stream, $0.baseAddress, UInt32($0.count))
        }
    }

    deinit {
        deflateEnd(stream)
        stream.deallocate()
    }

    func compress(_ headers: SPDYHeaders) -> [UInt8] {
        var plain = ByteBuffer()
        plain.writeInteger(UInt32(headers.fields.count))
        for (name, value) in headers.fields {
            plain.writeInteger(UInt32(name.utf8.count))
            plain.writeString(name)
            plain.writeInteger(UInt32(value.utf8.count))
            plain.writeString(value)
        }
        var input = Array(plain.readableBytesView)
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1024)
        input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            repeat {
                chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.pointee.next_out = chunk.baseAddress
                    stream.pointee.avail_out = UInt32(chunk.count)
                    deflate(stream, Z_SYNC_FLUSH)
                }
                output += chunk[..<(chunk.count - Int(stream.pointee.avail_out))]
            } while stream.pointee.avail_out == 0
        }
        return output
    }
}

/// Decompresses the header blocks of one direction of a connection. Every block must pass through, also those of streams
/// that are refused: they share one history.
final class HeaderDecompressor {
    /// Of one block, decompressed.
    static let limit = 64 << 10

    private let stream: UnsafeMutablePointer<z_stream>

    init() {
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        inflateInit_(stream, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    func decompress(_ block: ByteBuffer) throws(SPDYProtocolError) -> SPDYHeaders {
        var plain = ByteBuffer(bytes: try inflateAll(Array(block.readableBytesView)))
        guard let count = plain.readInteger(as: UInt32.self), count <= 256 else {
            throw SPDYProtocolError(description: "a header block is malformed")
        }
        var fields: [(name: String, value: String)] = []
        for _ in 0..<count {
            fields.append((try text(&plain).lowercased(), try text(&plain)))
        }
        return SPDYHeaders(fields)
    }

    private func text(_ plain: inout ByteBuffer) throws(SPDYProtocolError) -> String {
        guard let length = plain.readInteger(as: UInt32.self), length <= UInt32(plain.readableBytes),
            let text = plain.readString(length: Int(length))
        else { throw SPDYProtocolError(description: "a header block is malformed") }
        return text
    }

    private func inflateAll(_ block: [UInt8]) throws(SPDYProtocolError) -> [UInt8] {
        var input = block
        var output: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 4096)
        var failed = false
        input.withUnsafeMutableBufferPointer { input in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = UInt32(input.count)
            while true {
                let result = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.pointee.next_out = chunk.baseAddress
                    stream.pointee.avail_out = UInt32(chunk.count)
                    return inflate(stream, Z_SYNC_FLUSH)
                }
                if result == Z_NEED_DICT {
                    let set = SPDYDictionary.bytes.withUnsafeBufferPointer {
                        inflateSetDictionary(stream, $0.baseAddress, UInt32($0.count))
                    }
                    guard set == Z_OK else { break }
                    continue
                }
                output += chunk[..<(chunk.count - Int(stream.pointee.avail_out))]
                guard result == Z_OK || result == Z_BUF_ERROR, output.count <= Self.limit else { break }
                if stream.pointee.avail_in == 0, stream.pointee.avail_out > 0 { return }
                if result == Z_BUF_ERROR { break }
            }
            failed = true
        }
        if failed { throw SPDYProtocolError(description: "a header block cannot be decompressed, or is too large") }
        return output
    }
}
