/// Names of the kernel's objects. They carry the instance's id, so that two shims on one host never touch each other's.
struct NetworkNames: Sendable, Hashable {
    private let mark: String

    /// - Parameter instance: see ``RootDirectory/instance``.
    init(instance: String) { mark = String(instance.prefix(8)) }

    /// At most 15 characters, like every device's name.
    var bridge: String { "vzcri\(mark)" }

    /// The host's end of a sandbox's cable.
    func link(of sandbox: String) -> String { linkPrefix + sandbox.prefix(8) }
    /// Six digits of the instance and eight of the sandbox.
    private var linkPrefix: String { "v\(mark.prefix(6))" }
    func isLink(_ name: String) -> Bool { name.count == 15 && name.hasPrefix(linkPrefix) }

    /// The bridge's hardware address, so that it is not that of whichever pod is there.
    var bridgeAddress: String { "02:" + Self.pairs(mark) + ":01" }

    /// The pod's: as long as an address is somebody's, neighbours that remember the former owner are right.
    static func podAddress(_ address: IPv4Address) -> String {
        let digits = String(address.value, radix: 16)
        return "0a:58:" + pairs(String(repeating: "0", count: 8 - digits.count) + digits)
    }

    private static func pairs(_ digits: String) -> String {
        stride(from: 0, to: digits.count, by: 2).map { String(digits.dropFirst($0).prefix(2)) }.joined(separator: ":")
    }

    /// Chains of iptables, at most 28 characters.
    enum Chain: String, CaseIterable {
        case forward = "FWD"
        case input = "IN"
        case ports = "PORT"
        case leaving = "OUT"
    }
    func chain(_ chain: Chain) -> String { "VZCRI-\(mark)-\(chain.rawValue)" }
}
