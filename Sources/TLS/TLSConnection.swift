import COpenSSL
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One TLS connection without any I/O: encrypted bytes in and out through two memory buffers, plain bytes at the front.
///
/// Owner of the `SSL`, and used on one event loop only.
final class TLSConnection {
    enum Progress {
        /// The handshake is complete.
        case done
        /// The other side has to say more.
        case wantsInput
    }

    enum Reading {
        case bytes(ByteBuffer)
        case wantsInput
        /// The other side said that it sends no more.
        case ended
    }

    private let ssl: OpaquePointer
    private let incoming: OpaquePointer
    private let outgoing: OpaquePointer
    /// Called back from within `ssl`, so it lives as long.
    private let handle: ContextHandle
    private let isServer: Bool
    private(set) var isOutputClosed = false
    private var broken: TLSError?

    /// - Parameter serverName: what a client expects of the server's certificate where its configuration says nothing.
    init(_ handle: ContextHandle, serverName: String?) throws(TLSError) {
        OpenSSLErrors.clear()
        self.handle = handle
        ssl = try handle.makeSSL()
        guard let incoming = vz_bio_new(), let outgoing = vz_bio_new() else {
            preconditionFailure("no memory for a TLS connection")
        }
        (self.incoming, self.outgoing) = (incoming, outgoing)
        SSL_set_bio(ssl, incoming, outgoing)  // which owns them from here
        switch handle.role {
        case .server:
            isServer = true
            SSL_set_accept_state(ssl)
        case .client(let configuration):
            isServer = false
            SSL_set_connect_state(ssl)
            try expect(configuration.serverName ?? serverName, configuration.verification)
        }
    }

    deinit { SSL_free(ssl) }

    private func expect(_ name: String?, _ verification: TLSClientConfiguration.Verification) throws(TLSError) {
        guard var name, !name.isEmpty else {
            guard verification == .none else {
                throw TLSError(
                    .invalidArgument, "cannot verify the server: no name is known that its certificate should carry")
            }
            return
        }
        if name.hasSuffix(".") { name.removeLast() }
        if Self.isAddress(name) {
            guard X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1 else {
                throw TLSError(
                    .invalidArgument, "cannot verify the server's address \(name): \(OpenSSLErrors.takeText())")
            }
            return
        }
        SSL_set_hostflags(ssl, UInt32(X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS | X509_CHECK_FLAG_NEVER_CHECK_SUBJECT))
        guard SSL_set1_host(ssl, name) == 1, vz_ssl_set_server_name(ssl, name) == 1 else {
            throw TLSError(.invalidArgument, "\"\(name)\" is no name of a server: \(OpenSSLErrors.takeText())")
        }
    }

    /// Whether `name` is an IPv4 or IPv6 address.
    static func isAddress(_ name: String) -> Bool {
        var bytes = in6_addr()
        return inet_pton(AF_INET, name, &bytes) == 1 || inet_pton(AF_INET6, name, &bytes) == 1
    }

    // MARK: Encrypted side

    /// Takes encrypted bytes from the other side.
    func feed(_ bytes: ByteBuffer) {
        bytes.withUnsafeReadableBytes { raw in
            guard !raw.isEmpty else { return }
            // A memory BIO takes everything; it fails for lack of memory only.
            let written = BIO_write(incoming, raw.baseAddress, CInt(raw.count))
            precondition(written == CInt(raw.count), "no memory for incoming TLS bytes")
        }
    }

    /// Encrypted bytes that wait to be sent; `nil` when there are none.
    func takeOutput(_ allocator: ByteBufferAllocator) -> ByteBuffer? {
        let pending = vz_bio_pending(outgoing)
        guard pending > 0 else { return nil }
        var buffer = allocator.buffer(capacity: pending)
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: pending) { raw in
            max(0, Int(BIO_read(outgoing, raw.baseAddress, CInt(pending))))
        }
        return buffer
    }

    // MARK: Plain side

    func handshake() throws(TLSError) -> Progress {
        OpenSSLErrors.clear()
        let result = SSL_do_handshake(ssl)
        if result == 1 { return .done }
        if SSL_get_error(ssl, result) == SSL_ERROR_WANT_READ { return .wantsInput }
        throw failure("the TLS handshake failed")
    }

    /// Decrypts what has come in. Called until it says something else than `.bytes`.
    func read(_ allocator: ByteBufferAllocator) throws(TLSError) -> Reading {
        if let broken { throw broken }
        let pending = vz_bio_pending(incoming) + Int(SSL_pending(ssl))
        guard pending > 0 else { return hasEnded ? .ended : .wantsInput }
        // Plain bytes are fewer than encrypted ones.
        var buffer = allocator.buffer(capacity: pending + Self.roomToRead)
        while true {
            OpenSSLErrors.clear()
            var result: CInt = 0
            buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: Self.roomToRead) { raw in
                result = SSL_read(ssl, raw.baseAddress, CInt(clamping: raw.count))
                return max(0, Int(result))
            }
            if result > 0 { continue }
            let reading: Reading
            switch SSL_get_error(ssl, result) {
            case SSL_ERROR_WANT_READ: reading = .wantsInput
            case SSL_ERROR_ZERO_RETURN: reading = .ended
            default:
                let failure = failure("the TLS connection broke")
                broken = failure
                // What was decrypted before is good.
                if buffer.readableBytes == 0 { throw failure }
                reading = .wantsInput
            }
            return buffer.readableBytes > 0 ? .bytes(buffer) : reading
        }
    }

    private static let roomToRead = 512

    private var hasEnded: Bool { SSL_get_shutdown(ssl) & SSL_RECEIVED_SHUTDOWN != 0 }

    /// Encrypts `bytes` into the outgoing buffer.
    func write(_ bytes: ByteBuffer) throws(TLSError) {
        var done = 0
        while done < bytes.readableBytes {
            OpenSSLErrors.clear()
            let result = bytes.withUnsafeReadableBytes { raw in
                SSL_write(ssl, raw.baseAddress! + done, CInt(clamping: raw.count - done))
            }
            guard result > 0 else { throw failure("cannot send over TLS") }
            done += Int(result)
        }
    }

    /// Tells the other side that no more comes (close_notify). Idempotent.
    func closeOutput() {
        guard !isOutputClosed else { return }
        isOutputClosed = true
        OpenSSLErrors.clear()
        // Writes the alert; that it is one-sided so far is no error.
        if SSL_shutdown(ssl) < 0 { OpenSSLErrors.clear() }
    }

    // MARK: What was agreed

    var applicationProtocol: String? {
        var name: UnsafePointer<UInt8>?
        var length: UInt32 = 0
        SSL_get0_alpn_selected(ssl, &name, &length)
        guard let name, length > 0 else { return nil }
        return String(decoding: UnsafeBufferPointer(start: name, count: Int(length)), as: UTF8.self)
    }

    /// Whom the other side's certificate names; `nil` when none was shown or none was to be verified.
    var peer: PeerIdentity? {
        guard SSL_get_verify_mode(ssl) & SSL_VERIFY_PEER != 0, let certificate = SSL_get1_peer_certificate(ssl) else {
            return nil
        }
        defer { X509_free(certificate) }
        return CertificateReader.identity(of: certificate)
    }

    // MARK: Errors

    private func failure(_ attempt: String) -> TLSError {
        let entries = OpenSSLErrors.take()
        let other = isServer ? "client" : "server"
        let verified = SSL_get_verify_result(ssl)
        if entries.contains(where: { $0.library == ERR_LIB_SSL && $0.reason == SSL_R_CERTIFICATE_VERIFY_FAILED }) {
            return TLSError(.certificateRejected, "\(attempt): " + rejection(verified, of: other))
        }
        guard let cause = entries.first else {
            return TLSError(.handshakeFailed, "\(attempt): the \(other) ended the connection")
        }
        switch cause.reason {
        case SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE:
            return TLSError(.certificateRejected, "\(attempt): the \(other) did not return a certificate")
        case SSL_R_HTTP_REQUEST, SSL_R_HTTPS_PROXY_REQUEST, SSL_R_WRONG_VERSION_NUMBER, SSL_R_UNKNOWN_PROTOCOL,
            SSL_R_PACKET_LENGTH_TOO_LONG, SSL_R_RECORD_LENGTH_MISMATCH, SSL_R_UNEXPECTED_MESSAGE:
            return TLSError(
                .handshakeFailed, "\(attempt): the \(other) does not speak TLS as it should (\(cause.text))")
        case CInt(vz_first_alert_reason)...CInt(vz_last_alert_reason):
            return TLSError(.handshakeFailed, "\(attempt): the \(other) refused (\(cause.text))")
        default:
            return TLSError(.handshakeFailed, "\(attempt): \(cause.text)")
        }
    }

    private func rejection(_ result: CLong, of other: String) -> String {
        if result == CLong(X509_V_ERR_APPLICATION_VERIFICATION) {
            return "the certificate of the \(other) carries none of the names that are let in"
        }
        return
            "the certificate of the \(other) does not hold: \(String(cString: X509_verify_cert_error_string(result)))"
    }
}
