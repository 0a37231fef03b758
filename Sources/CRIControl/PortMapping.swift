/// One `[LOCAL:]REMOTE` of a port-forward command.
public struct PortMapping: Sendable, Hashable {
    /// 0: any free port.
    public var local: Int
    public var remote: Int

    /// Reads `8080:80`, `:80` (any free local port) or `80` (the same on both sides).
    public init(parsing text: String) throws(ControlError) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        let remote = parts.last.flatMap { Int($0) } ?? 0
        let local = parts.count == 1 ? remote : parts[0].isEmpty ? 0 : Int(parts[0]) ?? -1
        guard parts.count <= 2, (1...65535).contains(remote), (0...65535).contains(local) else {
            throw ControlError(.invalidArgument, "\"\(text)\" is no port: write [LOCAL:]REMOTE, for example 8080:80")
        }
        self.local = local
        self.remote = remote
    }
}
