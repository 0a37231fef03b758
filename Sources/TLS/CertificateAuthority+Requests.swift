import COpenSSL

extension CertificateAuthority {
    /// Signs what a request asks for: its subject, its names, its key. Whether they may be had is the caller's to know.
    /// Blocks.
    ///
    /// - Parameters:
    ///   - request: PEM.
    ///   - validity: in days.
    /// - Returns: the certificate, PEM.
    /// - Throws: `TLSError` when the request is none, or not signed with its own key.
    public func sign(request: [UInt8], usage: Usage, validity: Int = 365) throws(TLSError) -> [UInt8] {
        let asked = try PEMBytes.read(request, "certificate request in it") {
            PEM_read_bio_X509_REQ($0, nil, nil, nil)
        }
        defer { X509_REQ_free(asked) }
        guard let key = X509_REQ_get0_pubkey(asked), X509_REQ_verify(asked, key) == 1 else {
            throw TLSError(.failed, "the request is not signed with its own key: \(OpenSSLErrors.takeText())")
        }
        let subject = X509_REQ_get_subject_name(asked)
        let template = CertificateTemplate(
            commonName: CertificateReader.entries(of: subject, NID_commonName).last ?? "",
            organizations: CertificateReader.entries(of: subject, NID_organizationName),
            names: Self.names(asked), extendedUsage: usage.rawValue, validity: validity)
        let authority = try PEMFile.certificate(certificateFile)
        defer { X509_free(authority) }
        let authorityKey = try KeyFile.read(keyFile)
        defer { EVP_PKEY_free(authorityKey) }
        let certificate = try template.sign(key, issuer: (authority, authorityKey))
        defer { X509_free(certificate) }
        return try PEMBytes.write("a certificate") { PEM_write_bio_X509($0, certificate) == 1 }
    }

    private static func names(_ request: OpaquePointer) -> [String] {
        guard let parts = X509_REQ_get_extensions(request) else { return [] }
        defer {
            while let part = OPENSSL_sk_pop(parts) { X509_EXTENSION_free(OpaquePointer(part)) }
            OPENSSL_sk_free(parts)
        }
        guard let names = X509V3_get_d2i(parts, NID_subject_alt_name, nil, nil) else { return [] }
        return CertificateReader.texts(OpaquePointer(names))
    }
}
