public import NIOCore

/// Another host that may have frames of a disk.
public protocol FramePeer: Sendable {
    /// For messages.
    var name: String { get }

    /// What it has of a disk, from now on; ends when it is gone. A peer that has nothing of it yet says so first.
    /// - Parameter disk: the digest of the disk's index.
    /// - Returns: also who it is, the same to everybody.
    func follow(disk: String) async throws -> (id: String, news: AsyncThrowingStream<FrameNews, any Error>)

    /// One frame, compressed with zstd by itself, within a deadline of its own. Whoever asks verifies it.
    /// - Returns: nil while it has too much to do.
    func frame(_ number: Int, ofDisk disk: String) async throws -> ByteBuffer?
}

/// How the shims of a fleet give each other what they have pulled.
public struct PeerExchange: Sendable {
    /// What we tell the others.
    public var board: FrameBoard
    public var peers: [any FramePeer]
    /// Peers that were slower than half the registry for so long are helped by it: who is busy for a moment is not slow.
    public var patience = Duration.seconds(3)
    /// Who has not said by then what it has counts for nothing when it is decided where to begin.
    public var assembly = Duration.seconds(2)

    public init(board: FrameBoard, peers: [any FramePeer]) {
        self.board = board
        self.peers = peers
    }
}
