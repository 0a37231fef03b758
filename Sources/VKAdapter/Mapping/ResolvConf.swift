/// The parts of a resolv.conf (resolv.conf(5)) a runtime is told.
struct ResolvConf: Sendable, Hashable {
    var nameservers: [String] = []
    var searches: [String] = []
    var options: [String] = []

    init() {}

    /// Reads the file's text; lines that mean nothing here are skipped. The last `search` line counts.
    init(parsing text: String) {
        for line in text.utf8.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            guard let line = Substring(line) as Substring?, !line.hasPrefix("#"), !line.hasPrefix(";") else { continue }
            let words = line.split { $0 == " " || $0 == "\t" }.map(String.init)
            guard let keyword = words.first else { continue }
            let values = words.dropFirst()
            switch keyword {
            case "nameserver":
                if let server = values.first, !nameservers.contains(server) { nameservers.append(server) }
            case "search", "domain":
                searches = values.map { $0.count > 1 && $0.hasSuffix(".") ? String($0.dropLast()) : $0 }
            case "options":
                for option in values {
                    let name = option.prefix { $0 != ":" }
                    options.removeAll { $0.prefix { $0 != ":" } == name }
                    options.append(option)
                }
            default: break
            }
        }
    }
}
