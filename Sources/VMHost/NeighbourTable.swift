/// The host's table of neighbours, as `arp -an` shows it: `? (192.168.64.2) at 52:54:0:a:b:c on bridge100 …`.
enum NeighbourTable {
    /// Compares numbers, not text: the table leaves zeros out. Addresses of the link alone are none.
    static func address(of mac: String, in table: String) -> String? {
        guard let wanted = bytes(mac[...]) else { return nil }
        for line in table.split(whereSeparator: \.isNewline) {
            let words = line.split(separator: " ")
            guard words.count > 3, words[2] == "at", bytes(words[3]) == wanted, words[1].first == "(",
                words[1].last == ")"
            else { continue }
            let address = words[1].dropFirst().dropLast()
            if !address.hasPrefix("169.254.") { return String(address) }
        }
        return nil
    }

    private static func bytes(_ text: Substring) -> [UInt8]? {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let bytes = parts.compactMap { UInt8($0, radix: 16) }
        return parts.count == 6 && bytes.count == 6 ? bytes : nil
    }
}
