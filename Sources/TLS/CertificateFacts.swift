import COpenSSL

/// What a certificate says of itself.
public struct CertificateFacts: Sendable, Hashable {
    public var commonName: String
    public var organizations: [String]
    /// DNS names and IP addresses.
    public var names: [String]
    /// Seconds since 1970.
    public var notBefore: Int64
    /// Seconds since 1970.
    public var notAfter: Int64

    /// The first certificate of some PEM text.
    /// - Parameter key: PEM; has to be the certificate's.
    /// - Throws: `TLSError` when there is no certificate, or the key is another's.
    public init(certificate pem: [UInt8], key: [UInt8]? = nil) throws(TLSError) {
        let certificate = try PEMBytes.certificate(pem)
        defer { X509_free(certificate) }
        if let key {
            let key = try PEMBytes.key(key)
            defer { EVP_PKEY_free(key) }
            guard X509_check_private_key(certificate, key) == 1 else {
                OpenSSLErrors.clear()
                throw TLSError(.failed, "the key is not the certificate's")
            }
        }
        let identity = CertificateReader.identity(of: certificate)
        commonName = identity.commonName ?? ""
        organizations = identity.organizations
        names = identity.names
        notBefore = try Self.seconds(X509_get0_notBefore(certificate))
        notAfter = try Self.seconds(X509_get0_notAfter(certificate))
    }

    private static func seconds(_ time: UnsafePointer<ASN1_TIME>?) throws(TLSError) -> Int64 {
        var (days, seconds): (CInt, CInt) = (0, 0)
        guard let epoch = ASN1_TIME_set(nil, 0) else { throw TLSError(.failed, "there is no memory for a time") }
        defer { ASN1_TIME_free(epoch) }
        guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else {
            throw TLSError(.failed, "the certificate has no readable dates: \(OpenSSLErrors.takeText())")
        }
        return Int64(days) * 86_400 + Int64(seconds)
    }
}
