import COpenSSL

/// What is asked of an authority elsewhere: a new key, and a request (PKCS #10) to sign a certificate for it.
public struct CertificateRequest: Sendable {
    /// PEM; for the authority.
    public let request: [UInt8]
    /// PEM; for nobody else.
    public let key: [UInt8]

    /// A request for a new P-256 key.
    /// - Parameters:
    ///   - organizations: what Kubernetes reads as groups.
    ///   - names: DNS names and IP addresses.
    public init(commonName: String, organizations: [String] = [], names: [String] = []) throws(TLSError) {
        let key = try CertificateTemplate.makeKey()
        defer { EVP_PKEY_free(key) }
        func failure() -> TLSError {
            TLSError(.failed, "cannot ask for a certificate for \"\(commonName)\": \(OpenSSLErrors.takeText())")
        }
        OpenSSLErrors.clear()
        guard let request = X509_REQ_new(), let subject = X509_NAME_new() else { throw failure() }
        defer {
            X509_REQ_free(request)
            X509_NAME_free(subject)
        }
        for organization in organizations { try CertificateTemplate.add("O", organization, to: subject, failure) }
        try CertificateTemplate.add("CN", commonName, to: subject, failure)
        guard X509_REQ_set_version(request, 0) == 1, X509_REQ_set_subject_name(request, subject) == 1,
            X509_REQ_set_pubkey(request, key) == 1
        else { throw failure() }
        if !names.isEmpty {
            for name in names { try CertificateTemplate.check(name) }
            guard let part = X509V3_EXT_conf_nid(nil, nil, NID_subject_alt_name, CertificateTemplate.list(names)),
                let parts = OPENSSL_sk_new_null()
            else { throw failure() }
            defer {
                OPENSSL_sk_free(parts)
                X509_EXTENSION_free(part)
            }
            guard OPENSSL_sk_push(parts, UnsafeRawPointer(part)) > 0, X509_REQ_add_extensions(request, parts) == 1
            else { throw failure() }
        }
        guard X509_REQ_sign(request, key, EVP_sha256()) > 0 else { throw failure() }
        self.request = try PEMBytes.write("a request") { PEM_write_bio_X509_REQ($0, request) == 1 }
        self.key = try PEMBytes.write("a key") { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) == 1 }
    }
}

/// Keys and certificates in memory.
enum PEMBytes {
    static func write(_ what: String, _ encode: (OpaquePointer) -> Bool) throws(TLSError) -> [UInt8] {
        OpenSSLErrors.clear()
        let memory = vz_bio_new()
        defer { BIO_free(memory) }
        guard let memory, encode(memory) else {
            throw TLSError(.failed, "cannot encode \(what): \(OpenSSLErrors.takeText())")
        }
        var bytes = [UInt8](repeating: 0, count: vz_bio_pending(memory))
        let count = Int(BIO_read(memory, &bytes, CInt(bytes.count)))
        return Array(bytes.prefix(max(0, count)))
    }

    /// The first of its kind in `bytes`, to be freed by the caller.
    static func read(
        _ bytes: [UInt8], _ what: String, _ decode: (OpaquePointer) -> OpaquePointer?
    ) throws(TLSError) -> OpaquePointer {
        OpenSSLErrors.clear()
        let found: OpaquePointer? = bytes.withUnsafeBytes { raw in
            guard let memory = BIO_new_mem_buf(raw.baseAddress, CInt(raw.count)) else { return nil }
            defer { BIO_free(memory) }
            return decode(memory)
        }
        guard let found else { throw TLSError(.failed, "there is no \(what): \(OpenSSLErrors.takeText())") }
        return found
    }

    static func certificate(_ bytes: [UInt8]) throws(TLSError) -> OpaquePointer {
        try read(bytes, "certificate in it") { PEM_read_bio_X509($0, nil, nil, nil) }
    }

    static func key(_ bytes: [UInt8]) throws(TLSError) -> OpaquePointer {
        // Never ask a terminal for a pass phrase.
        try read(bytes, "private key in it") { PEM_read_bio_PrivateKey($0, nil, { _, _, _, _ in -1 }, nil) }
    }
}
