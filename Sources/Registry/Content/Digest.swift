import COpenSSL

/// Digests as registries write them.
public enum Digest {
    /// `sha256:…` of bytes that are all here.
    public static func sha256(_ bytes: some Collection<UInt8>) -> String {
        var digest = [UInt8](repeating: 0, count: 32)
        let isDone = Array(bytes).withUnsafeBytes {
            EVP_Digest($0.baseAddress, $0.count, &digest, nil, EVP_sha256(), nil) == 1
        }
        precondition(isDone, "OpenSSL has no SHA-256")
        let digits = Array("0123456789abcdef".utf8)
        return "sha256:"
            + String(
                decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
    }
}
