/// Who may connect to a unix socket.
public struct UnixSocketOptions: Sendable, Hashable {
    /// Permission bits of the socket file. Connecting needs the write bit.
    public var mode: UInt16
    /// Name or number of the group the socket file is given to; `nil` leaves the process's own group.
    public var group: String?

    /// - Parameters:
    ///   - mode: permission bits; without it 0600, or 0660 when a group is named.
    ///   - group: name or number of a group that may connect.
    public init(mode: UInt16? = nil, group: String? = nil) {
        self.mode = mode ?? (group == nil ? 0o600 : 0o660)
        self.group = group
    }
}
