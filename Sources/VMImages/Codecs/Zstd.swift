import CZstd

/// Compresses runs of bytes as frames of zstd, each by itself. One thread at a time uses it. The same bytes make the same
/// frame, as long as the library is the same.
final class ZstdEncoder {
    private let context: OpaquePointer

    /// - Parameter level: zstd's.
    init(level: Int = 3) {
        guard let context = ZSTD_createCCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
        ZSTD_CCtx_setParameter(context, ZSTD_c_compressionLevel, Int32(level))
        ZSTD_CCtx_setParameter(context, ZSTD_c_contentSizeFlag, 1)
        // A frame's content has a digest of its own.
        ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 0)
    }

    deinit { ZSTD_freeCCtx(context) }

    /// The most that so many bytes become.
    static func bound(_ count: Int) -> Int { ZSTD_compressBound(count) }

    /// - Parameters:
    ///   - target: at least ``bound(_:)`` bytes.
    ///   - base: what the frame may refer to; whoever decodes it needs the same.
    /// - Returns: how many were written.
    func encode(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
        base: UnsafeRawBufferPointer? = nil
    ) throws -> Int {
        // All of both, and matches at any distance, or what is in the one is not found in the other.
        ZSTD_CCtx_setParameter(context, ZSTD_c_windowLog, base == nil ? 0 : 23)
        ZSTD_CCtx_setParameter(context, ZSTD_c_enableLongDistanceMatching, base == nil ? 0 : 1)
        if let base { ZSTD_CCtx_refPrefix(context, base.baseAddress, base.count) }
        let count = ZSTD_compress2(context, target.baseAddress, target.count, source.baseAddress, source.count)
        guard ZSTD_isError(count) == 0 else {
            throw CodecError("zstd cannot compress: \(String(cString: ZSTD_getErrorName(count)))")
        }
        return count
    }
}

/// Decompresses frames of zstd. One thread at a time uses it.
final class ZstdDecoder {
    private let context: OpaquePointer

    init() {
        guard let context = ZSTD_createDCtx() else { preconditionFailure("no memory for zstd") }
        self.context = context
    }

    deinit { ZSTD_freeDCtx(context) }

    /// - Parameter target: what the frame says of its own size counts for nothing beyond this.
    /// - Parameter base: what it was encoded with.
    /// - Returns: how many bytes the frame made.
    func decode(
        _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer,
        base: UnsafeRawBufferPointer? = nil
    ) throws -> Int {
        // One that an earlier call has left after an error counts no more.
        ZSTD_DCtx_reset(context, ZSTD_reset_session_only)
        ZSTD_DCtx_refPrefix(context, base?.baseAddress, base?.count ?? 0)
        let count = ZSTD_decompressDCtx(context, target.baseAddress, target.count, source.baseAddress, source.count)
        guard ZSTD_isError(count) == 0 else {
            throw CodecError("it is no zstd frame (\(String(cString: ZSTD_getErrorName(count))))")
        }
        return count
    }
}
