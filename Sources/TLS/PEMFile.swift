import COpenSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Keys and certificates on their way from and to files.
enum PEMFile {
    /// The first certificate in the file at `path`, to be freed by the caller.
    static func certificate(_ path: String) throws(TLSError) -> OpaquePointer {
        OpenSSLErrors.clear()
        guard let file = BIO_new_file(path, "r") else {
            throw TLSError(.failed, "cannot read a certificate from \(path): \(OpenSSLErrors.takeText())")
        }
        defer { BIO_free(file) }
        guard let certificate = PEM_read_bio_X509(file, nil, nil, nil) else {
            throw TLSError(.failed, "cannot read a certificate from \(path): \(OpenSSLErrors.takeText())")
        }
        return certificate
    }

    /// Writes a key and its certificate chain as `NAME.key` (0600) and `NAME.crt` (0644), each in one step.
    static func write(
        key: OpaquePointer, certificates: [OpaquePointer], directory: String, name: String
    ) throws(TLSError) -> (certificateFile: String, keyFile: String) {
        try makeDirectory(directory)
        let files = (certificateFile: "\(directory)/\(name).crt", keyFile: "\(directory)/\(name).key")
        // The key first: whoever finds the old certificate beside the new key makes both anew.
        try replace(files.keyFile, mode: 0o600) { PEM_write_bio_PrivateKey($0, key, nil, nil, 0, nil, nil) == 1 }
        try replace(files.certificateFile, mode: 0o644) { file in
            certificates.allSatisfy { PEM_write_bio_X509(file, $0) == 1 }
        }
        return files
    }

    static func makeDirectory(_ path: String) throws(TLSError) {
        guard mkdir(path, 0o700) != 0, errno != EEXIST else { return }
        if errno == ENOENT, let slash = path.lastIndex(of: "/"), slash != path.startIndex {
            try makeDirectory(String(path[..<slash]))
            if mkdir(path, 0o700) == 0 || errno == EEXIST { return }
        }
        throw TLSError(.failed, "cannot create the directory \(path): \(String(cString: strerror(errno)))")
    }

    /// Writes aside, syncs and renames, so that nobody ever sees half of it.
    private static func replace(_ path: String, mode: mode_t, _ encode: (OpaquePointer) -> Bool) throws(TLSError) {
        OpenSSLErrors.clear()
        let memory = vz_bio_new()
        defer { BIO_free(memory) }
        guard let memory, encode(memory) else {
            throw TLSError(.failed, "cannot encode \(path): \(OpenSSLErrors.takeText())")
        }
        var bytes = [UInt8](repeating: 0, count: vz_bio_pending(memory))
        let count = Int(BIO_read(memory, &bytes, CInt(bytes.count)))
        defer { bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        let aside = "\(path).\(getpid())-\(UInt32.random(in: 0...UInt32.max)).tmp"
        let file = open(aside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode)
        guard file >= 0 else { throw unwritable(path, errno) }
        var failure: CInt?
        if fchmod(file, mode) != 0 || writeAll(file, bytes, count) != count || fsync(file) != 0 { failure = errno }
        if close(file) != 0, failure == nil { failure = errno }
        if failure == nil, rename(aside, path) != 0 { failure = errno }
        if let failure {
            _ = unlink(aside)
            throw unwritable(path, failure)
        }
    }

    private static func writeAll(_ file: CInt, _ bytes: [UInt8], _ count: Int) -> Int {
        var done = 0
        while done < count {
            let written = bytes.withUnsafeBytes { raw in systemWrite(file, raw.baseAddress! + done, count - done) }
            if written < 0, errno == EINTR { continue }
            if written <= 0 { break }
            done += written
        }
        return done
    }

    private static func unwritable(_ path: String, _ code: CInt) -> TLSError {
        TLSError(.failed, "cannot write \(path): \(String(cString: strerror(code)))")
    }
}

/// `write(2)`, whose name is taken above.
private func systemWrite(_ file: CInt, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(file, bytes, count)
}
