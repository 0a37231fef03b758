/// The host's resolv.conf, as pods inherit it.
public enum ResolverFile {
    /// Where systemd's resolver writes down the name servers it asks.
    private static let behindSystemd = "/run/systemd/resolve/resolv.conf"

    /// The text of the file. One that names only servers on this machine is of no use to a pod: behind systemd's resolver the
    /// real ones are written down elsewhere. Blocks.
    /// - Returns: nil when there is no such file.
    public static func read(_ path: String) throws(HostFilesError) -> [UInt8]? {
        guard let own = try SmallFile.read(path) else { return nil }
        guard isLocal(String(decoding: own, as: UTF8.self)), let real = try SmallFile.read(behindSystemd) else {
            return own
        }
        return real
    }

    static func isLocal(_ text: String) -> Bool {
        let servers = text.split(separator: "\n").compactMap { line -> Substring? in
            let words = line.split { $0 == " " || $0 == "\t" }
            return words.count > 1 && words[0] == "nameserver" ? words[1] : nil
        }
        return !servers.isEmpty && servers.allSatisfy { $0.hasPrefix("127.") || $0 == "::1" }
    }
}
