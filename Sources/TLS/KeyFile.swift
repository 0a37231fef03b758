import COpenSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Reads private keys, and only those that are kept private.
enum KeyFile {
    /// Largest file taken for a key.
    private static let limit = 1 << 20

    /// The key in the PEM file at `path`, to be freed by the caller.
    static func read(_ path: String) throws(TLSError) -> OpaquePointer {
        OpenSSLErrors.clear()
        var bytes = try contents(path)
        defer { bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) } }
        let key: OpaquePointer? = bytes.withUnsafeBytes { raw in
            guard let memory = BIO_new_mem_buf(raw.baseAddress, CInt(raw.count)) else { return nil }
            defer { BIO_free(memory) }
            // Never ask a terminal for a pass phrase.
            return PEM_read_bio_PrivateKey(memory, nil, { _, _, _, _ in -1 }, nil)
        }
        guard let key else {
            let entries = OpenSSLErrors.take()
            let encrypted = entries.contains { $0.library == ERR_LIB_PEM && $0.reason == PEM_R_BAD_PASSWORD_READ }
            throw TLSError(
                .failed,
                encrypted
                    ? "the key in \(path) is encrypted: store it without a pass phrase"
                    : "cannot read a private key from \(path): \(entries.first?.text ?? "no reason given")")
        }
        return key
    }

    private static func contents(_ path: String) throws(TLSError) -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw unreadable(path, errno) }
        defer { _ = close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw unreadable(path, errno) }
        guard status.st_mode & S_IFMT == S_IFREG, status.st_size <= limit else {
            throw TLSError(.failed, "cannot read a private key from \(path): it is no file of a key's size")
        }
        guard status.st_mode & (S_IRWXO | S_IWGRP) == 0 else {
            throw TLSError(
                .failed,
                "the key file \(path) is open to others (mode 0\(String(status.st_mode & 0o777, radix: 8))): "
                    + "run chmod 600 on it")
        }
        var failure: CInt = 0
        let bytes = [UInt8](unsafeUninitializedCapacity: Int(status.st_size)) { buffer, count in
            count = 0
            while count < buffer.count {
                let read = Self.read(descriptor, buffer.baseAddress! + count, buffer.count - count)
                if read < 0, errno == EINTR { continue }
                if read < 0 { failure = errno }
                if read <= 0 { return }
                count += read
            }
        }
        guard failure == 0 else { throw unreadable(path, failure) }
        return bytes
    }

    /// The C function, which the one above shadows.
    private static func read(_ descriptor: CInt, _ buffer: UnsafeMutablePointer<UInt8>, _ count: Int) -> Int {
        #if canImport(Glibc)
        Glibc.read(descriptor, buffer, count)
        #elseif canImport(Musl)
        Musl.read(descriptor, buffer, count)
        #else
        Darwin.read(descriptor, buffer, count)
        #endif
    }

    private static func unreadable(_ path: String, _ code: CInt) -> TLSError {
        TLSError(.failed, "cannot read the key file \(path): \(String(cString: strerror(code)))")
    }
}
