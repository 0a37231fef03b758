/// Whom the certificate at the other end of a connection names.
///
/// It was verified: contexts that verify nothing name nobody.
public struct PeerIdentity: Sendable, Hashable {
    /// Common name of the subject.
    public var commonName: String?
    /// Organizations of the subject; Kubernetes reads them as groups.
    public var organizations: [String]
    /// Alternative names: DNS names, addresses, e-mail addresses and URIs.
    public var names: [String]
    /// SHA-256 of the certificate, 64 lower-case hexadecimal digits.
    public var fingerprint: String

    public init(commonName: String?, organizations: [String] = [], names: [String] = [], fingerprint: String = "") {
        self.commonName = commonName
        self.organizations = organizations
        self.names = names
        self.fingerprint = fingerprint
    }

    /// Whether the certificate carries one of `allowed`, as common or alternative name.
    func carries(oneOf allowed: [String]) -> Bool {
        allowed.contains { $0 == commonName || names.contains($0) }
    }
}
