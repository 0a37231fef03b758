#if canImport(Glibc)
    import Glibc
#else
    import Darwin
#endif

/// What the files of a TLS configuration must be.
enum KeyFiles {
    static func requireReadable(_ path: String, _ what: String) throws(TLSError) {
        guard access(path, R_OK) == 0 else {
            throw TLSError(.invalidArgument, "cannot read the \(what) \(path): \(String(cString: strerror(errno)))")
        }
    }

    /// A key that others can read is no secret.
    static func requirePrivate(_ path: String) throws(TLSError) {
        try requireReadable(path, "key")
        var status = stat()
        guard stat(path, &status) == 0, status.st_mode & 0o077 == 0 else {
            throw TLSError(.invalidArgument, "the key \(path) can be read by others: chmod 600 \(path)")
        }
    }
}
