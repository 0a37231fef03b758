import COpenSSL
import NIOCore

/// One TLS connection between two memory buffers: ciphertext in and out on one side, plaintext on the other. No I/O.
final class TLSConnection {
    enum Progress {
        case wantsMore
        case done
    }

    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    private let context: TLSContext
    /// Kept alive while this connection may still negotiate with it.
    private let handle: SSLContextHandle

    init(_ context: TLSContext, serverName: String?) throws(TLSError) {
        self.context = context
        (ssl, handle) = try context.makeConnection(serverName: serverName)
        incoming = BIO_new(BIO_s_mem())
        outgoing = BIO_new(BIO_s_mem())
        SSL_set_bio(ssl, incoming, outgoing)
    }

    deinit { SSL_free(ssl) }

    // MARK: Ciphertext

    func feed(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { _ = BIO_write(incoming, $0.baseAddress, Int32($0.count)) }
    }

    /// What is to be sent to the peer; nil for nothing.
    func takeOutput(_ allocator: ByteBufferAllocator) -> ByteBuffer? {
        let count = BIO_ctrl_pending(outgoing)
        guard count > 0 else { return nil }
        var bytes = allocator.buffer(capacity: count)
        bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: count) { Int(BIO_read(outgoing, $0.baseAddress, Int32(count))) }
        return bytes
    }

    // MARK: Handshake

    func handshake() throws(TLSError) -> Progress {
        ERR_clear_error()
        let result = SSL_do_handshake(ssl)
        if result == 1 {
            try checkAllowed()
            return .done
        }
        guard SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ else { throw handshakeError() }
        return .wantsMore
    }

    private func handshakeError() -> TLSError {
        let verified = SSL_get_verify_result(ssl)
        let reason = OpenSSLErrors.take()
        guard verified == Int(X509_V_OK) else {
            return TLSError(
                .failed, "the peer's certificate does not hold: \(String(cString: X509_verify_cert_error_string(verified)))")
        }
        return TLSError(.failed, "the TLS handshake failed: \(reason)")
    }

    private func checkAllowed() throws(TLSError) {
        guard case .server(let configuration) = context.role, !configuration.allowedNames.isEmpty else { return }
        guard let peer = peer else { throw TLSError(.failed, "the client showed no certificate") }
        let names = peer.names + [peer.commonName].compactMap { $0 }
        guard names.contains(where: configuration.allowedNames.contains) else {
            throw TLSError(.failed, "the client \(peer.commonName ?? "without a name") is not among the names that are let in")
        }
    }

    var peer: PeerIdentity? {
        guard SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE, let certificate = SSL_get1_peer_certificate(ssl) else { return nil }
        defer { X509_free(certificate) }
        return PeerIdentity(certificate)
    }

    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        guard let name, length > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    // MARK: Plaintext

    /// The decrypted bytes there are; nil for none yet.
    func read(_ allocator: ByteBufferAllocator) throws(TLSError) -> ByteBuffer? {
        var bytes = allocator.buffer(capacity: max(1024, BIO_ctrl_pending(incoming)))
        while true {
            ERR_clear_error()
            var result: Int32 = 0
            bytes.writeWithUnsafeMutableBytes(minimumWritableBytes: 1024) { space in
                result = SSL_read(ssl, space.baseAddress, Int32(clamping: space.count))
                return max(0, Int(result))
            }
            if result > 0 { continue }
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ, SSL_ERROR_ZERO_RETURN: return bytes.readableBytes > 0 ? bytes : nil
            default:
                // What was decrypted before the broken record is still good; the error comes again.
                if bytes.readableBytes > 0 { return bytes }
                throw TLSError(.failed, "the TLS connection broke: \(OpenSSLErrors.take())")
            }
        }
    }

    /// The peer said that it will send no more.
    var isInputClosed: Bool { SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }

    func write(_ bytes: ByteBuffer) throws(TLSError) {
        guard bytes.readableBytes > 0 else { return }
        ERR_clear_error()
        // Memory takes all there is.
        let written = bytes.withUnsafeReadableBytes { bytes in
            var offset = 0
            while offset < bytes.count {
                let count = SSL_write(ssl, bytes.baseAddress! + offset, Int32(clamping: bytes.count - offset))
                if count <= 0 { return false }
                offset += Int(count)
            }
            return true
        }
        guard written else { throw TLSError(.failed, "cannot send over TLS: \(OpenSSLErrors.take())") }
    }

    func closeOutput() { _ = SSL_shutdown(ssl) }
}
