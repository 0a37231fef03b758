import COpenSSL
import Synchronization

/// A configuration with its files read. Connections made after `reload` use the files as they are then.
public final class TLSContext: Sendable {
    enum Role: Sendable {
        case server(TLSServerConfiguration)
        case client(TLSClientConfiguration)
    }

    let role: Role
    private let handle: Mutex<SSLContextHandle>

    private init(_ role: Role) throws(TLSError) {
        self.role = role
        handle = Mutex(try SSLContextHandle(role))
    }

    /// - Throws: `TLSError` naming the file that is missing, unreadable, too open or not what it should be.
    public static func server(_ configuration: TLSServerConfiguration) throws(TLSError) -> TLSContext {
        try TLSContext(.server(configuration))
    }

    /// - Throws: `TLSError` naming the file that is missing, unreadable, too open or not what it should be.
    public static func client(_ configuration: TLSClientConfiguration) throws(TLSError) -> TLSContext {
        try TLSContext(.client(configuration))
    }

    /// Reads the files again. When they do not hold, what was read before stays in use.
    public func reload() throws(TLSError) {
        let fresh = try SSLContextHandle(role)
        handle.withLock { $0 = fresh }
    }

    /// A connection's state, and the handle whose memory it uses.
    func makeConnection(serverName: String?) throws(TLSError) -> (OpaquePointer, SSLContextHandle) {
        let handle = handle.withLock { $0 }
        guard let ssl = SSL_new(handle.context) else { throw TLSError(.failed, "no TLS state: \(OpenSSLErrors.take())") }
        switch role {
        case .server: SSL_set_accept_state(ssl)
        case .client(let configuration):
            SSL_set_connect_state(ssl)
            if let name = serverName ?? configuration.serverName {
                let isAddress = name.contains(":") || name.allSatisfy { $0.isNumber || $0 == "." }
                if isAddress {
                    X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name)
                } else {
                    _ = vz_SSL_set_server_name(ssl, name)
                    SSL_set1_host(ssl, name)
                }
            }
        }
        return (ssl, handle)
    }
}

/// Owns one `SSL_CTX` and the memory it points to.
final class SSLContextHandle: @unchecked Sendable {  // immutable after init; SSL_new is thread-safe
    let context: OpaquePointer
    private let protocols: UnsafeMutableBufferPointer<UInt8>

    init(_ role: TLSContext.Role) throws(TLSError) {
        let names: [String]
        switch role {
        case .server(let configuration):
            context = SSL_CTX_new(TLS_server_method())
            names = configuration.applicationProtocols
        case .client(let configuration):
            context = SSL_CTX_new(TLS_client_method())
            names = configuration.applicationProtocols
        }
        // Length-prefixed names, one after the other (RFC 7301, 3.1).
        let wire = names.flatMap { [UInt8($0.utf8.count)] + Array($0.utf8) }
        protocols = .allocate(capacity: wire.count)
        _ = protocols.initialize(from: wire)
        _ = vz_SSL_CTX_require_tls12(context)
        vz_SSL_CTX_release_buffers(context)
        switch role {
        case .server(let configuration): try configure(configuration)
        case .client(let configuration): try configure(configuration)
        }
    }

    deinit {
        SSL_CTX_free(context)
        protocols.deallocate()
    }

    private func configure(_ configuration: TLSServerConfiguration) throws(TLSError) {
        try useCertificate(configuration.certificateFile, configuration.keyFile)
        if configuration.clientCertificate != .none || configuration.clientCAFile != nil {
            guard let file = configuration.clientCAFile else {
                throw TLSError(.invalidArgument, "client certificates are wanted but no client CA file is named")
            }
            try trust(file)
            SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file(file))
        }
        switch configuration.clientCertificate {
        case .none: break
        case .optional: SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
        case .required: SSL_CTX_set_verify(context, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, nil)
        }
        var session: [UInt8] = Array("vz-cri".utf8)
        SSL_CTX_set_session_id_context(context, &session, UInt32(session.count))
        guard !protocols.isEmpty else { return }
        SSL_CTX_set_alpn_select_cb(
            context,
            { _, chosen, chosenLength, offered, offeredLength, argument in
                let mine = Unmanaged<SSLContextHandle>.fromOpaque(argument!).takeUnretainedValue().protocols
                var name: UnsafeMutablePointer<UInt8>?
                let result = SSL_select_next_proto(&name, chosenLength, mine.baseAddress, UInt32(mine.count), offered, offeredLength)
                guard result == OPENSSL_NPN_NEGOTIATED else { return SSL_TLSEXT_ERR_NOACK }
                chosen!.pointee = UnsafePointer(name)
                return SSL_TLSEXT_ERR_OK
            }, Unmanaged.passUnretained(self).toOpaque())
    }

    private func configure(_ configuration: TLSClientConfiguration) throws(TLSError) {
        if let certificate = configuration.certificateFile {
            guard let key = configuration.keyFile else {
                throw TLSError(.invalidArgument, "the client certificate \(certificate) needs a key file beside it")
            }
            try useCertificate(certificate, key)
        }
        if configuration.verification == .full {
            SSL_CTX_set_verify(context, SSL_VERIFY_PEER, nil)
            if let file = configuration.caFile {
                try trust(file)
            } else {
                SSL_CTX_set_default_verify_paths(context)
            }
        }
        if !protocols.isEmpty { SSL_CTX_set_alpn_protos(context, protocols.baseAddress, UInt32(protocols.count)) }
    }

    private func trust(_ file: String) throws(TLSError) {
        try KeyFiles.requireReadable(file, "CA file")
        guard SSL_CTX_load_verify_locations(context, file, nil) == 1 else {
            throw TLSError(.invalidArgument, "the CA file \(file) holds no PEM certificates: \(OpenSSLErrors.take())")
        }
    }

    private func useCertificate(_ certificate: String, _ key: String) throws(TLSError) {
        try KeyFiles.requireReadable(certificate, "certificate")
        try KeyFiles.requirePrivate(key)
        guard SSL_CTX_use_certificate_chain_file(context, certificate) == 1 else {
            throw TLSError(.invalidArgument, "\(certificate) is no PEM certificate: \(OpenSSLErrors.take())")
        }
        guard SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) == 1 else {
            throw TLSError(
                .invalidArgument, "\(key) is no unencrypted PEM key, or not the one of \(certificate): \(OpenSSLErrors.take())")
        }
        guard SSL_CTX_check_private_key(context) == 1 else {
            throw TLSError(.invalidArgument, "the key \(key) does not belong to the certificate \(certificate)")
        }
    }
}
