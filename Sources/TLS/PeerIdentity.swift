import COpenSSL

/// Whom a peer's certificate names. It has been verified.
public struct PeerIdentity: Sendable, Hashable {
    public var commonName: String?
    /// Kubernetes reads these as groups.
    public var organizations: [String]
    /// DNS names among the alternative names.
    public var names: [String]
    /// SHA-256 of the certificate, lower-case hex.
    public var fingerprint: String

    public init(commonName: String?, organizations: [String] = [], names: [String] = [], fingerprint: String = "") {
        self.commonName = commonName
        self.organizations = organizations
        self.names = names
        self.fingerprint = fingerprint
    }

    init(_ certificate: OpaquePointer) {
        let subject = X509_get_subject_name(certificate)
        commonName = Self.entries(subject, NID_commonName).last
        organizations = Self.entries(subject, NID_organizationName)
        names = []
        withUnsafeMutablePointer(to: &names) { names in
            vz_X509_each_name(certificate, names) { context, text, length in
                let bytes = UnsafeRawBufferPointer(start: text, count: Int(length))
                context!.assumingMemoryBound(to: [String].self).pointee.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        var digest = [UInt8](repeating: 0, count: 32)
        X509_digest(certificate, EVP_sha256(), &digest, nil)
        fingerprint = digest.map { String($0 >> 4, radix: 16) + String($0 & 15, radix: 16) }.joined()
    }

    private static func entries(_ subject: OpaquePointer?, _ kind: Int32) -> [String] {
        var found: [String] = []
        var index = X509_NAME_get_index_by_NID(subject, kind, -1)
        while index >= 0 {
            let value = X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, index))
            var text: UnsafeMutablePointer<UInt8>?
            let length = ASN1_STRING_to_UTF8(&text, value)
            if length >= 0 {
                found.append(String(decoding: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self))
                CRYPTO_free(text, #file, #line)
            }
            index = X509_NAME_get_index_by_NID(subject, kind, index)
        }
        return found
    }
}
