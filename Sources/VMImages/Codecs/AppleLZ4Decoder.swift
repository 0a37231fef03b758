import CLZ4

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// LZ4 as Apple's Compression library frames it: a run of blocks, each with four letters before it.
///
/// ```
/// bv41  raw size  compressed size  LZ4 block      may refer to the 64 KiB decoded before it
/// bv4-  raw size  plain bytes
/// bv4$                                            the end
/// ```
/// Sizes are 32 bits, little-endian.
final class AppleLZ4Decoder: StreamDecoder {
    /// Apple's blocks have at most 64 KiB; nobody needs more than this of a stranger's word for it.
    static let blockLimit = 4 << 20
    private static let windowSize = 64 << 10

    private enum State {
        case magic
        case sizes(isPlain: Bool)
        case block(raw: Int, compressed: Int)
        case plain(raw: Int)
        case ended
    }

    private var state = State.magic
    /// The piece that is being collected, when the input was cut within it.
    private var pending: [UInt8] = []
    /// The window, and behind it room for one block.
    private var buffer: UnsafeMutableRawBufferPointer
    /// How much of the window is filled: its end.
    private var history = 0

    init() { buffer = .allocate(byteCount: Self.windowSize * 2, alignment: 64) }

    deinit { buffer.deallocate() }

    func decode(_ input: UnsafeRawBufferPointer, into output: (UnsafeRawBufferPointer) throws -> Void) throws {
        var rest = input
        while let piece = try next(&rest) {
            try piece.withUnsafeBytes { try take($0, output) }
        }
    }

    func finish() throws {
        guard case .ended = state else { throw CodecError("the LZ4 stream ends without its last mark") }
    }

    /// A whole piece, where it lies or collected.
    private enum Piece {
        case lying(UnsafeRawBufferPointer)
        case collected([UInt8])

        func withUnsafeBytes<Result>(_ body: (UnsafeRawBufferPointer) throws -> Result) rethrows -> Result {
            switch self {
            case .lying(let bytes): try body(bytes)
            case .collected(let bytes): try bytes.withUnsafeBytes(body)
            }
        }
    }

    /// How many bytes the next step needs at once.
    private var needed: Int {
        switch state {
        case .magic: 4
        case .sizes(let isPlain): isPlain ? 4 : 8
        case .block(_, let compressed): compressed
        case .plain(let raw): raw
        case .ended: 0
        }
    }

    private func next(_ rest: inout UnsafeRawBufferPointer) throws -> Piece? {
        if case .ended = state {
            guard rest.isEmpty else { throw CodecError("something follows the end of the LZ4 stream") }
            return nil
        }
        let needed = needed
        if pending.isEmpty, rest.count >= needed {
            let piece = UnsafeRawBufferPointer(rebasing: rest[..<needed])
            rest = UnsafeRawBufferPointer(rebasing: rest[needed...])
            return .lying(piece)
        }
        let count = min(needed - pending.count, rest.count)
        pending += rest[..<count]
        rest = UnsafeRawBufferPointer(rebasing: rest[count...])
        guard pending.count == needed else { return nil }
        defer { pending.removeAll(keepingCapacity: true) }
        return .collected(pending)
    }

    private func take(_ piece: UnsafeRawBufferPointer, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        switch state {
        case .magic:
            switch Array(piece) {
            case Array("bv41".utf8): state = .sizes(isPlain: false)
            case Array("bv4-".utf8): state = .sizes(isPlain: true)
            case Array("bv4$".utf8): state = .ended
            default: throw CodecError("it is no LZ4 stream of Apple's: there is no mark before a block")
            }
        case .sizes(let isPlain):
            let raw = Int(UInt32(littleEndian: piece.loadUnaligned(as: UInt32.self)))
            guard raw <= Self.blockLimit else { throw CodecError("an LZ4 block says that it has \(raw) bytes") }
            if isPlain {
                state = raw == 0 ? .magic : .plain(raw: raw)
                return
            }
            let compressed = Int(UInt32(littleEndian: piece.loadUnaligned(fromByteOffset: 4, as: UInt32.self)))
            guard compressed > 0, compressed <= Int(LZ4_compressBound(Int32(Self.blockLimit))) else {
                throw CodecError("an LZ4 block says that it is compressed to \(compressed) bytes")
            }
            state = .block(raw: raw, compressed: compressed)
        case .block(let raw, _):
            reserve(raw)
            let target = buffer.baseAddress! + history
            let source = piece.baseAddress!.assumingMemoryBound(to: CChar.self)
            // What was decoded before lies right before the target, as the window of this block.
            let window = min(history, Self.windowSize)
            let made = LZ4_decompress_safe_usingDict(
                source, target.assumingMemoryBound(to: CChar.self), Int32(piece.count), Int32(raw),
                (target - window).assumingMemoryBound(to: CChar.self), Int32(window))
            guard made == raw else { throw CodecError("an LZ4 block is damaged") }
            try gave(raw, output)
        case .plain(let raw):
            reserve(raw)
            memcpy(buffer.baseAddress! + history, piece.baseAddress!, raw)
            try gave(raw, output)
        case .ended: break
        }
    }

    /// Makes room for a block behind the window.
    private func reserve(_ count: Int) {
        guard history + count > buffer.count else { return }
        let window = min(history, Self.windowSize)
        let old = buffer
        let kept = UnsafeRawBufferPointer(rebasing: old[(history - window)..<history])
        let size = Self.windowSize + max(count, Self.windowSize)
        if size > old.count {
            buffer = .allocate(byteCount: size, alignment: 64)
            buffer.copyMemory(from: kept)
            old.deallocate()
        } else if let start = kept.baseAddress {
            memmove(old.baseAddress!, start, window)
        }
        history = window
    }

    private func gave(_ count: Int, _ output: (UnsafeRawBufferPointer) throws -> Void) throws {
        let made = UnsafeRawBufferPointer(rebasing: buffer[history..<history + count])
        history += count
        state = .magic
        if count > 0 { try output(made) }
    }
}
