import COpenSSL

/// Owner of one `SSL_CTX`: certificates, authorities and rules as they were read at one moment.
///
/// Made completely, then never changed; OpenSSL counts references of the `SSL_CTX` and locks what connections share, so
/// any thread may start connections from it. That is why `@unchecked Sendable` holds.
final class ContextHandle: @unchecked Sendable {
    enum Role: Sendable {
        case server(TLSServerConfiguration)
        case client(TLSClientConfiguration)
    }

    let role: Role
    private let context: OpaquePointer
    private let allowedNames: [String]
    private let protocols: [String]

    init(_ role: Role) throws(TLSError) {
        OpenSSLErrors.clear()
        switch role {
        case .server(let server): (protocols, allowedNames) = (server.applicationProtocols, server.allowedNames)
        case .client(let client): (protocols, allowedNames) = (client.applicationProtocols, [])
        }
        let wire = try Self.wire(protocols)
        let method = if case .server = role { TLS_server_method() } else { TLS_client_method() }
        guard let context = SSL_CTX_new(method) else {
            throw TLSError(.failed, "cannot prepare TLS: \(OpenSSLErrors.takeText())")
        }
        self.context = context
        self.role = role
        guard vz_ctx_require_tls12(context) == 1 else {
            throw TLSError(.failed, "cannot require TLS 1.2: \(OpenSSLErrors.takeText())")
        }
        vz_ctx_set_defaults(context)
        // Unretained: the connections that call back through it hold this object.
        _ = vz_ctx_set_owner(context, Unmanaged.passUnretained(self).toOpaque())
        switch role {
        case .server(let configuration): try setUp(configuration)
        case .client(let configuration): try setUp(configuration, offering: wire)
        }
    }

    deinit { SSL_CTX_free(context) }

    /// A connection's own state, to be freed by the caller.
    func makeSSL() throws(TLSError) -> OpaquePointer {
        guard let ssl = SSL_new(context) else {
            throw TLSError(.failed, "cannot start a TLS connection: \(OpenSSLErrors.takeText())")
        }
        return ssl
    }

    // MARK: Set-up

    private func setUp(_ configuration: TLSServerConfiguration) throws(TLSError) {
        try useCertificate(configuration.certificateFile, key: configuration.keyFile)
        if !protocols.isEmpty {
            SSL_CTX_set_alpn_select_cb(
                context,
                { ssl, out, outLength, offered, offeredLength, _ in
                    guard let ssl, let out, let outLength, let offered, let owner = ContextHandle.owner(of: ssl) else {
                        return SSL_TLSEXT_ERR_ALERT_FATAL
                    }
                    // The first of ours that the client offers too; the answer points into the client's bytes.
                    for name in owner.protocols {
                        var index = 0
                        while index < Int(offeredLength) {
                            let entry = UnsafeBufferPointer(start: offered + index + 1, count: Int(offered[index]))
                            if entry.elementsEqual(name.utf8) {
                                out.pointee = entry.baseAddress
                                outLength.pointee = offered[index]
                                return SSL_TLSEXT_ERR_OK
                            }
                            index += 1 + entry.count
                        }
                    }
                    return SSL_TLSEXT_ERR_ALERT_FATAL
                }, nil)
        }
        guard configuration.clientCertificate != .none else {
            guard configuration.clientCAFile == nil, configuration.allowedNames.isEmpty else {
                throw TLSError(
                    .invalidArgument,
                    "client certificates are not asked for, but an authority or names for them are given")
            }
            return
        }
        guard let authorities = configuration.clientCAFile else {
            throw TLSError(
                .invalidArgument, "client certificates are asked for, but no authority file (client CA) is given")
        }
        try trust(authorities)
        guard let names = SSL_load_client_CA_file(authorities) else {
            throw TLSError(.failed, "cannot read authorities from \(authorities): \(OpenSSLErrors.takeText())")
        }
        SSL_CTX_set_client_CA_list(context, names)
        // A list of names lets nobody in who shows none.
        let isRequired = configuration.clientCertificate == .required || !configuration.allowedNames.isEmpty
        let required = isRequired ? SSL_VERIFY_FAIL_IF_NO_PEER_CERT : 0
        SSL_CTX_set_verify(
            context, SSL_VERIFY_PEER | required,
            { verified, store in
                guard verified == 1, let store, X509_STORE_CTX_get_error_depth(store) == 0 else { return verified }
                guard let ssl = vz_store_ssl(store), let owner = ContextHandle.owner(of: ssl),
                    let certificate = X509_STORE_CTX_get_current_cert(store)
                else { return 0 }
                if owner.allowedNames.isEmpty
                    || CertificateReader.identity(of: certificate).carries(oneOf: owner.allowedNames)
                {
                    return 1
                }
                X509_STORE_CTX_set_error(store, X509_V_ERR_APPLICATION_VERIFICATION)
                return 0
            })
    }

    private func setUp(_ configuration: TLSClientConfiguration, offering wire: [UInt8]) throws(TLSError) {
        switch (configuration.certificateFile, configuration.keyFile) {
        case (let certificate?, let key?): try useCertificate(certificate, key: key)
        case (nil, nil): break
        default:
            throw TLSError(.invalidArgument, "a client certificate needs both files, the certificate and its key")
        }
        if !wire.isEmpty {
            guard SSL_CTX_set_alpn_protos(context, wire, UInt32(wire.count)) == 0 else {
                throw TLSError(.failed, "cannot offer protocols by ALPN: \(OpenSSLErrors.takeText())")
            }
        }
        if let authorities = configuration.caFile {
            try trust(authorities)
        } else if configuration.verification == .full {
            guard SSL_CTX_set_default_verify_paths(context) == 1 else {
                throw TLSError(.failed, "cannot read the system's authorities: \(OpenSSLErrors.takeText())")
            }
        }
        SSL_CTX_set_verify(context, configuration.verification == .full ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, nil)
    }

    private func trust(_ file: String) throws(TLSError) {
        guard SSL_CTX_load_verify_file(context, file) == 1 else {
            throw TLSError(.failed, "cannot read authorities from \(file): \(OpenSSLErrors.takeText())")
        }
    }

    private func useCertificate(_ certificateFile: String, key keyFile: String) throws(TLSError) {
        guard SSL_CTX_use_certificate_chain_file(context, certificateFile) == 1 else {
            throw TLSError(.failed, "cannot read a certificate from \(certificateFile): \(OpenSSLErrors.takeText())")
        }
        let key = try KeyFile.read(keyFile)
        defer { EVP_PKEY_free(key) }
        guard SSL_CTX_use_PrivateKey(context, key) == 1, SSL_CTX_check_private_key(context) == 1 else {
            throw TLSError(
                .failed,
                "the key in \(keyFile) does not belong to the certificate in \(certificateFile): "
                    + OpenSSLErrors.takeText())
        }
    }

    /// ALPN names as they are sent: each with a length byte before it (RFC 7301, 3.1).
    private static func wire(_ protocols: [String]) throws(TLSError) -> [UInt8] {
        var wire: [UInt8] = []
        for name in protocols {
            guard (1...255).contains(name.utf8.count) else {
                throw TLSError(.invalidArgument, "\"\(name)\" is no ALPN protocol: 1 to 255 bytes are allowed")
            }
            wire.append(UInt8(name.utf8.count))
            wire += name.utf8
        }
        return wire
    }

    private static func owner(of ssl: OpaquePointer) -> ContextHandle? {
        guard let owner = vz_ctx_owner(SSL_get_SSL_CTX(ssl)) else { return nil }
        return Unmanaged<ContextHandle>.fromOpaque(owner).takeUnretainedValue()
    }
}
