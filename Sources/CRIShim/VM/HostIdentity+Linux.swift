#if os(Linux)
/// Which computer this is, also after it was started anew.
enum HostIdentity {
    /// Blocks for a moment.
    static func current() throws -> String {
        for path in ["/etc/machine-id", "/var/lib/dbus/machine-id", "/sys/class/dmi/id/product_uuid"] {
            // Without the right to read one another may do.
            guard let bytes = try? RootDirectory.read(path) else { continue }
            let text = String(decoding: bytes, as: UTF8.self).filter { !$0.isWhitespace }
            if !text.isEmpty { return text }
        }
        // Good until the next start of a system that has no name for itself.
        return SystemBoot.id
    }
}
#endif
