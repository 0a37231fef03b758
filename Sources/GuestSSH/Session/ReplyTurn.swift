/// Which of a connection's channels may await an answer to a request. One at a time: while libssh2 waits for a channel's
/// answer it gives up when the one it reads next is another's (`_libssh2_packet_requirev`).
final class ReplyTurn {
    private var holder: ObjectIdentifier?

    /// - Returns: whether it is this channel's turn, now or already.
    func take(_ channel: SSHChannelState) -> Bool {
        let id = ObjectIdentifier(channel)
        if holder == nil { holder = id }
        return holder == id
    }

    /// The answer has come, or never will. Nothing to do for who does not have the turn.
    func giveBack(_ channel: SSHChannelState) {
        if holder == ObjectIdentifier(channel) { holder = nil }
    }
}
