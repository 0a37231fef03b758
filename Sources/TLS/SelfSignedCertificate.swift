import COpenSSL

#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// A certificate that a server makes for itself when it is given none.
public enum SelfSignedCertificate {
    /// An ECDSA P-256 key (0600) and a certificate for it, as `NAME.crt` and `NAME.key` in `directory`. What is there is
    /// kept while it is valid for another 30 days and names the same hosts.
    /// - Parameters:
    ///   - names: DNS names and IP addresses; the first is the common name too.
    ///   - validity: in days.
    /// - Throws: `TLSError` when the files cannot be written.
    public static func make(
        names: [String], directory: String, name: String = "server", validity: Int = 365
    ) throws(TLSError) -> (certificateFile: String, keyFile: String) {
        let files = (certificateFile: "\(directory)/\(name).crt", keyFile: "\(directory)/\(name).key")
        if isUsable(files.certificateFile, files.keyFile, names) { return files }
        guard let key = vz_EVP_p256() else { throw TLSError(.failed, "no key could be made: \(OpenSSLErrors.take())") }
        defer { EVP_PKEY_free(key) }
        let certificate = try sign(key, names, validity)
        defer { X509_free(certificate) }
        // The key first: a certificate without its key would be taken for usable by nobody.
        try write(files.keyFile) { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) }
        try write(files.certificateFile) { PEM_write_bio_X509($0, certificate) }
        return files
    }

    private static func isUsable(_ certificateFile: String, _ keyFile: String, _ names: [String]) -> Bool {
        guard let file = BIO_new_file(certificateFile, "r") else {
            ERR_clear_error()
            return false
        }
        defer { BIO_free(file) }
        guard let certificate = PEM_read_bio_X509(file, nil, nil, nil) else { return false }
        defer { X509_free(certificate) }
        var month = time(nil) + 30 * 86_400
        guard X509_cmp_time(X509_get0_notAfter(certificate), &month) > 0 else { return false }
        guard names.allSatisfy({ X509_check_host(certificate, $0, 0, 0, nil) == 1 || X509_check_ip_asc(certificate, $0, 0) == 1 }) else {
            return false
        }
        // Key and certificate belong together, and the key is private.
        return (try? SSLContextHandle(.server(.init(certificateFile: certificateFile, keyFile: keyFile)))) != nil
    }

    private static func sign(_ key: OpaquePointer, _ names: [String], _ days: Int) throws(TLSError) -> OpaquePointer {
        guard let certificate = X509_new() else { throw TLSError(.failed, "out of memory") }
        X509_set_version(certificate, 2)
        ASN1_INTEGER_set_uint64(X509_get_serialNumber(certificate), .random(in: 1...UInt64(Int64.max)))
        // Clocks differ: valid from an hour ago.
        X509_gmtime_adj(X509_getm_notBefore(certificate), -3600)
        X509_gmtime_adj(X509_getm_notAfter(certificate), days * 86_400)
        let subject = X509_get_subject_name(certificate)
        // A common name holds 64 characters (X.520).
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_UTF8, String((names.first ?? "localhost").prefix(64)), -1, -1, 0)
        X509_set_issuer_name(certificate, subject)
        X509_set_pubkey(certificate, key)
        let alternatives = names.map { isAddress($0) ? "IP:\($0)" : "DNS:\($0)" }.joined(separator: ",")
        for (kind, value) in [
            (NID_basic_constraints, "critical,CA:TRUE"), (NID_key_usage, "critical,digitalSignature,keyCertSign"),
            (NID_ext_key_usage, "serverAuth,clientAuth"), (NID_subject_alt_name, alternatives),
        ] {
            guard let part = X509V3_EXT_conf_nid(nil, nil, kind, value) else {
                X509_free(certificate)
                throw TLSError(.invalidArgument, "no certificate can be made for \(names): \(OpenSSLErrors.take())")
            }
            X509_add_ext(certificate, part, -1)
            X509_EXTENSION_free(part)
        }
        guard X509_sign(certificate, key, EVP_sha256()) > 0 else {
            X509_free(certificate)
            throw TLSError(.failed, "the certificate could not be signed: \(OpenSSLErrors.take())")
        }
        return certificate
    }

    private static func isAddress(_ name: String) -> Bool { name.contains(":") || name.allSatisfy { $0.isNumber || $0 == "." } }

    /// To a temporary name and then in place, for the owner only.
    private static func write(_ path: String, _ encode: (OpaquePointer) -> Int32) throws(TLSError) {
        let memory = BIO_new(BIO_s_mem())
        defer { BIO_free(memory) }
        guard let memory, encode(memory) == 1 else { throw TLSError(.failed, "cannot encode \(path): \(OpenSSLErrors.take())") }
        var data: UnsafeMutablePointer<CChar>?
        let count = vz_BIO_memory(memory, &data)
        let temporary = "\(path).\(getpid()).tmp"
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard file >= 0 else { throw failure(path) }
        let written = systemWrite(file, data, count)
        let synced = fsync(file) == 0
        close(file)
        guard written == count, synced, rename(temporary, path) == 0 else {
            let failure = failure(path)
            unlink(temporary)
            throw failure
        }
    }

    private static func failure(_ path: String) -> TLSError {
        TLSError(.failed, "cannot write \(path): \(String(cString: strerror(errno)))")
    }
}

/// `write(2)`, whose name is taken above.
private func systemWrite(_ file: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    #if canImport(Glibc)
        Glibc.write(file, bytes, count)
    #else
        Darwin.write(file, bytes, count)
    #endif
}
