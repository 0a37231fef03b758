public import NIOCore

/// Who is at the other end of a unix socket, as the kernel vouches for it.
public struct PeerCredentials: Sendable, Hashable {
    /// Effective user of the process that connected (or, seen from the client, that listens).
    public var userID: UInt32
    /// Its effective group.
    public var groupID: UInt32
    /// Its process, where the kernel tells. A process may have ended and its number been reused.
    public var processID: Int32?

    public init(userID: UInt32, groupID: UInt32, processID: Int32?) {
        self.userID = userID
        self.groupID = groupID
        self.processID = processID
    }

    /// Asks the kernel about the peer of a connected unix channel.
    ///
    /// - Throws: `SocketError` when the channel is no unix socket or is closed.
    public static func of(_ channel: any Channel) async throws -> PeerCredentials {
        guard let provider = channel as? any SocketOptionProvider else {
            throw SocketError(.invalidArgument, "the channel has no peer to ask the kernel about")
        }
        do {
            return try await read(from: provider).get()
        } catch let error as SocketError {
            throw error
        } catch {
            throw SocketError(.failed, "the kernel does not name the peer of this connection", cause: error)
        }
    }
}
