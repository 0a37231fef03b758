import COpenSSL

/// What a certificate made here says, and its signing.
struct CertificateTemplate {
    var commonName: String
    var organizations: [String] = []
    /// DNS names and IP addresses.
    var names: [String] = []
    var isAuthority = false
    /// As OpenSSL writes it: "serverAuth,clientAuth".
    var extendedUsage: String?
    /// In days from now; zero or less has expired.
    var validity: Int

    /// A new P-256 key, to be freed by the caller.
    static func makeKey() throws(TLSError) -> OpaquePointer {
        OpenSSLErrors.clear()
        guard let key = vz_make_p256_key() else {
            throw TLSError(.failed, "cannot make a key: \(OpenSSLErrors.takeText())")
        }
        return key
    }

    /// A certificate for `key`, to be freed by the caller; signed by the issuer, or by itself where there is none.
    func sign(_ key: OpaquePointer, issuer: (certificate: OpaquePointer, key: OpaquePointer)? = nil) throws(TLSError)
        -> OpaquePointer
    {
        for name in names { try Self.check(name) }
        guard let certificate = X509_new() else { throw failure() }
        do throws(TLSError) {
            try fill(certificate, key, issuer)
            return certificate
        } catch {
            X509_free(certificate)
            throw error
        }
    }

    private func fill(
        _ certificate: OpaquePointer, _ key: OpaquePointer, _ issuer: (certificate: OpaquePointer, key: OpaquePointer)?
    ) throws(TLSError) {
        OpenSSLErrors.clear()
        // Clocks differ: valid from an hour ago, or from a day before the end.
        let start = min(-3600, (validity - 1) * 86_400)
        guard vz_x509_set_version3(certificate) == 1,
            ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), .random(in: 1...UInt64(Int64.max))) == 1,
            X509_gmtime_adj(X509_getm_notBefore(certificate), start) != nil,
            X509_gmtime_adj(X509_getm_notAfter(certificate), validity * 86_400) != nil,
            X509_set_pubkey(certificate, key) == 1,
            let subject = X509_get_subject_name(certificate)
        else { throw failure() }
        for organization in organizations { try Self.add("O", organization, to: subject, failure) }
        if !commonName.isEmpty { try Self.add("CN", commonName, to: subject, failure) }
        guard X509_set_issuer_name(certificate, issuer.map { X509_get_subject_name($0.certificate) } ?? subject) == 1
        else {
            throw failure()
        }
        var extensions: [(CInt, String)] = [
            (NID_basic_constraints, isAuthority ? "critical,CA:TRUE" : "critical,CA:FALSE"),
            (NID_key_usage, isAuthority ? "critical,keyCertSign,cRLSign" : "critical,digitalSignature"),
            (NID_subject_key_identifier, "hash"),
        ]
        if let extendedUsage { extensions.append((NID_ext_key_usage, extendedUsage)) }
        if !names.isEmpty {
            extensions.append((NID_subject_alt_name, Self.list(names)))
        }
        if issuer != nil { extensions.append((NID_authority_key_identifier, "keyid")) }
        for (kind, value) in extensions {
            var context = X509V3_CTX()
            X509V3_set_ctx(&context, issuer?.certificate ?? certificate, certificate, nil, nil, 0)
            guard let part = X509V3_EXT_conf_nid(nil, &context, kind, value) else { throw failure() }
            defer { X509_EXTENSION_free(part) }
            guard X509_add_ext(certificate, part, -1) == 1 else { throw failure() }
        }
        guard X509_sign(certificate, issuer?.key ?? key, EVP_sha256()) > 0 else { throw failure() }
    }

    /// A part of a subject. A common name holds 64 characters (X.520); the alternative names hold all.
    static func add(
        _ kind: String, _ value: String, to subject: OpaquePointer, _ failure: () -> TLSError
    ) throws(TLSError) {
        let bytes = Array((kind == "CN" ? String(value.prefix(64)) : value).utf8)
        guard X509_NAME_add_entry_by_txt(subject, kind, MBSTRING_UTF8, bytes, CInt(bytes.count), -1, 0) == 1 else {
            throw failure()
        }
    }

    /// Names in OpenSSL's small language.
    static func list(_ names: [String]) -> String {
        names.map { TLSConnection.isAddress($0) ? "IP:\($0)" : "DNS:\($0)" }.joined(separator: ",")
    }

    /// Names go into OpenSSL's small language, where a comma starts the next one.
    static func check(_ name: String) throws(TLSError) {
        let isPlain = name.utf8.dropFirst(name.hasPrefix("*.") ? 2 : 0).allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"):
                true
            default: false
            }
        }
        guard !name.isEmpty, isPlain || TLSConnection.isAddress(name) else {
            throw TLSError(
                .invalidArgument, "cannot make a certificate for \"\(name)\": it is no DNS name or IP address")
        }
    }

    private func failure() -> TLSError {
        TLSError(.failed, "cannot make a certificate for \"\(commonName)\": \(OpenSSLErrors.takeText())")
    }
}
