import COpenSSL

/// OpenSSL's error queue of the calling thread.
enum OpenSSLErrors {
    /// The oldest error as text; empties the queue.
    static func take() -> String {
        let code = ERR_get_error()
        ERR_clear_error()
        guard code != 0 else { return "no reason given" }
        return ERR_reason_error_string(code).map { String(cString: $0) } ?? "error \(code)"
    }
}
