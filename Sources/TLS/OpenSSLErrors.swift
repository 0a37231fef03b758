import COpenSSL

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The error queue OpenSSL keeps for each thread.
enum OpenSSLErrors {
    /// One entry of the queue.
    struct Entry {
        let code: UInt
        var library: CInt { vz_error_library(code) }
        var reason: CInt { vz_error_reason(code) }
        /// OpenSSL's words, such as "wrong version number".
        var text: String {
            let system = vz_error_errno(code)
            if system != 0 { return String(cString: strerror(system)) }
            guard let text = ERR_reason_error_string(code) else { return "OpenSSL error \(code)" }
            return String(cString: text)
        }
    }

    static func clear() { ERR_clear_error() }

    /// Empties the queue; the first entry is the oldest, which mostly is the cause.
    static func take() -> [Entry] {
        var entries: [Entry] = []
        while true {
            let code = ERR_get_error()
            guard code != 0 else { return entries }
            entries.append(Entry(code: code))
        }
    }

    /// The cause in OpenSSL's words, for the end of a message.
    static func takeText() -> String {
        take().first?.text ?? "no reason given"
    }
}
