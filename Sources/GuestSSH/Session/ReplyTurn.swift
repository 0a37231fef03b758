/// Which of a connection's channels may await an answer to a request. One at a time: while libssh2 waits for a channel's
/// answer it gives up when the one it reads next is another's (`_libssh2_packet_requirev`).
final class ReplyTurn {
    private var holder: ObjectIdentifier?
    /// The holder is closing since then: its answer comes before the peer's close, if that comes.
    private var closing: SuspendingClock.Instant?
    /// How long a peer is waited for that does not close.
    private static let patience = Duration.seconds(5)

    /// When the turn is another's although the holder's peer has not closed.
    var expires: SuspendingClock.Instant? { closing.map { $0 + Self.patience } }

    /// - Returns: whether it is this channel's turn, now or already.
    func take(_ channel: SSHChannelState) -> Bool {
        let id = ObjectIdentifier(channel)
        if let closing, closing.duration(to: .now) > Self.patience { holder = nil }
        if holder == nil { (holder, closing) = (id, nil) }
        return holder == id
    }

    /// The channel closes, and may not have had its answer.
    func isClosing(_ channel: SSHChannelState) {
        if holder == ObjectIdentifier(channel) { closing = .now }
    }

    /// The answer has come, or never will. Nothing to do for who does not have the turn.
    func giveBack(_ channel: SSHChannelState) {
        if holder == ObjectIdentifier(channel) { (holder, closing) = (nil, nil) }
    }
}
