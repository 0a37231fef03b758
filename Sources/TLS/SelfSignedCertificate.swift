import COpenSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A certificate that a server makes for itself when it is given none.
///
/// It signs nothing but itself: a client that trusts it trusts this one server.
public enum SelfSignedCertificate {
    /// What is left of a kept certificate, at least.
    private static let remainder = 30 * 86_400

    /// A P-256 key (0600) and a certificate for it, as `NAME.crt` and `NAME.key` in `directory`, which is made (0700)
    /// when missing. What is there is kept while it is valid for another 30 days, names the same hosts and its key is
    /// private. Blocks.
    ///
    /// - Parameters:
    ///   - names: DNS names and IP addresses, at least one; the first is the common name too.
    ///   - validity: in days.
    /// - Throws: `TLSError` when the files cannot be written or a name is none.
    public static func make(
        names: [String], directory: String, name: String = "server", validity: Int = 365
    ) throws(TLSError) -> (certificateFile: String, keyFile: String) {
        guard let first = names.first else {
            throw TLSError(.invalidArgument, "cannot make a certificate without a name")
        }
        let files = (certificateFile: "\(directory)/\(name).crt", keyFile: "\(directory)/\(name).key")
        if isUsable(files.certificateFile, files.keyFile, for: names) { return files }
        let key = try CertificateTemplate.makeKey()
        defer { EVP_PKEY_free(key) }
        let template = CertificateTemplate(
            commonName: first, names: names, extendedUsage: "serverAuth,clientAuth", validity: validity)
        let certificate = try template.sign(key)
        defer { X509_free(certificate) }
        return try PEMFile.write(key: key, certificates: [certificate], directory: directory, name: name)
    }

    /// Whether the files hold what `make` would make. One that cannot be read is made anew, whatever the reason.
    private static func isUsable(_ certificateFile: String, _ keyFile: String, for names: [String]) -> Bool {
        do throws(TLSError) {
            let certificate = try PEMFile.certificate(certificateFile)
            defer { X509_free(certificate) }
            let key = try KeyFile.read(keyFile)
            defer { EVP_PKEY_free(key) }
            var now = time(nil)
            var later = now + remainder
            return X509_check_private_key(certificate, key) == 1
                && X509_cmp_time(X509_get0_notBefore(certificate), &now) < 0
                && X509_cmp_time(X509_get0_notAfter(certificate), &later) > 0
                && Set(CertificateReader.alternativeNames(of: certificate)) == Set(names.map(canonical))
        } catch {
            return false
        }
    }

    /// Addresses as a certificate's reader writes them.
    private static func canonical(_ name: String) -> String {
        var bytes = in6_addr()
        guard inet_pton(AF_INET6, name, &bytes) == 1 else { return name }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        guard inet_ntop(AF_INET6, &bytes, &text, socklen_t(text.count)) != nil else { return name }
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }
}
