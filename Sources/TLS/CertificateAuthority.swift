import COpenSSL

/// A small authority of one's own: one certificate that signs those of servers and clients, kept in two files.
public struct CertificateAuthority: Sendable, Hashable {
    /// What a certificate is good for.
    public enum Usage: String, Sendable {
        case server = "serverAuth"
        case client = "clientAuth"
        case both = "serverAuth,clientAuth"
    }

    /// PEM file: what servers and clients are given to trust.
    public let certificateFile: String
    /// PEM file (0600): whoever has it can be anybody.
    public let keyFile: String

    /// An authority that exists.
    public init(certificateFile: String, keyFile: String) {
        self.certificateFile = certificateFile
        self.keyFile = keyFile
    }

    /// Makes an authority as `NAME.crt` and `NAME.key` in `directory`, over whatever has these names. Blocks.
    ///
    /// - Parameter validity: in days.
    /// - Throws: `TLSError` when the files cannot be written.
    public static func make(
        commonName: String, directory: String, name: String = "ca", validity: Int = 3650
    ) throws(TLSError) -> CertificateAuthority {
        let key = try CertificateTemplate.makeKey()
        defer { EVP_PKEY_free(key) }
        let template = CertificateTemplate(commonName: commonName, isAuthority: true, validity: validity)
        let certificate = try template.sign(key)
        defer { X509_free(certificate) }
        let files = try PEMFile.write(key: key, certificates: [certificate], directory: directory, name: name)
        return CertificateAuthority(certificateFile: files.certificateFile, keyFile: files.keyFile)
    }

    /// Issues a certificate with a new P-256 key, as `NAME.crt` and `NAME.key` in `directory`. Blocks.
    ///
    /// - Parameters:
    ///   - organizations: what Kubernetes reads as groups.
    ///   - names: DNS names and IP addresses; a server needs those it is dialled by.
    ///   - name: of the files; without it the common name.
    ///   - validity: in days.
    /// - Throws: `TLSError` when the authority cannot be read, a name is none, or the files cannot be written.
    public func issue(
        commonName: String, organizations: [String] = [], names: [String] = [], usage: Usage = .both, directory: String,
        name: String? = nil, validity: Int = 365
    ) throws(TLSError) -> (certificateFile: String, keyFile: String) {
        let authority = try PEMFile.certificate(certificateFile)
        defer { X509_free(authority) }
        let authorityKey = try KeyFile.read(keyFile)
        defer { EVP_PKEY_free(authorityKey) }
        guard X509_check_private_key(authority, authorityKey) == 1 else {
            OpenSSLErrors.clear()
            throw TLSError(.failed, "the key in \(keyFile) does not belong to the authority in \(certificateFile)")
        }
        let name = name ?? commonName
        guard !name.isEmpty, !name.contains("/"), !name.utf8.contains(0) else {
            throw TLSError(.invalidArgument, "cannot name files \"\(name)\": give the certificate a file name")
        }
        let key = try CertificateTemplate.makeKey()
        defer { EVP_PKEY_free(key) }
        let template = CertificateTemplate(
            commonName: commonName, organizations: organizations, names: names, extendedUsage: usage.rawValue,
            validity: validity)
        let certificate = try template.sign(key, issuer: (authority, authorityKey))
        defer { X509_free(certificate) }
        return try PEMFile.write(key: key, certificates: [certificate], directory: directory, name: name)
    }
}
