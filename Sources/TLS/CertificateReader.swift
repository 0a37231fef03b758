import COpenSSL
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads what this project wants to know from an `X509`.
enum CertificateReader {
    static func identity(of certificate: OpaquePointer) -> PeerIdentity {
        let subject = X509_get_subject_name(certificate)
        return PeerIdentity(
            commonName: entries(of: subject, NID_commonName).last,
            organizations: entries(of: subject, NID_organizationName),
            names: alternativeNames(of: certificate),
            fingerprint: fingerprint(of: certificate))
    }

    static func alternativeNames(of certificate: OpaquePointer) -> [String] {
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return [] }
        return texts(OpaquePointer(raw))
    }

    /// What names say; frees them.
    static func texts(_ names: OpaquePointer) -> [String] {
        defer { GENERAL_NAMES_free(names) }
        return (0..<vz_general_names_count(names)).compactMap { index in
            guard let name = vz_general_name(names, index), let text = vz_general_name_text(name) else { return nil }
            let bytes = UnsafeBufferPointer(start: ASN1_STRING_get0_data(text), count: Int(ASN1_STRING_length(text)))
            guard vz_general_name_type(name) == GEN_IPADD else { return String(decoding: bytes, as: UTF8.self) }
            return address(bytes)
        }
    }

    private static func address(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
        guard bytes.count == 4 || bytes.count == 16 else { return nil }
        var text = [CChar](repeating: 0, count: Int(INET6_ADDRSTRLEN))
        let family = bytes.count == 4 ? AF_INET : AF_INET6
        guard inet_ntop(family, bytes.baseAddress, &text, socklen_t(text.count)) != nil else { return nil }
        return text.withUnsafeBufferPointer { String(cString: $0.baseAddress!) }
    }

    static func entries(of name: OpaquePointer?, _ nid: CInt) -> [String] {
        guard let name else { return [] }
        var found: [String] = []
        var index = X509_NAME_get_index_by_NID(name, nid, -1)
        while index >= 0 {
            if let entry = X509_NAME_get_entry(name, index), let data = X509_NAME_ENTRY_get_data(entry) {
                var text: UnsafeMutablePointer<UInt8>?
                let length = ASN1_STRING_to_UTF8(&text, data)
                if length >= 0, let text {
                    found.append(String(decoding: UnsafeBufferPointer(start: text, count: Int(length)), as: UTF8.self))
                    CRYPTO_free(text, #file, #line)
                }
            }
            index = X509_NAME_get_index_by_NID(name, nid, index)
        }
        return found
    }

    private static func fingerprint(of certificate: OpaquePointer) -> String {
        var digest = [UInt8](repeating: 0, count: Int(EVP_MAX_MD_SIZE))
        var length: UInt32 = 0
        guard X509_digest(certificate, EVP_sha256(), &digest, &length) == 1 else { return "" }
        let digits = Array("0123456789abcdef".utf8)
        return String(
            decoding: digest.prefix(Int(length)).flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self
        )
    }
}
