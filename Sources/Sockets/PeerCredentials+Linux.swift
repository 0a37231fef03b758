#if os(Linux)
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#endif
import NIOCore

extension PeerCredentials {
    /// `struct ucred` of unix(7), which the C library shows only under `_GNU_SOURCE`.
    private struct Ucred {
        var processID: Int32 = 0
        var userID: UInt32 = 0
        var groupID: UInt32 = 0
    }

    static func read(from provider: any SocketOptionProvider) -> EventLoopFuture<PeerCredentials> {
        let answer: EventLoopFuture<Ucred> = provider.unsafeGetSocketOption(
            level: SocketOptionLevel(SOL_SOCKET), name: SocketOptionName(SO_PEERCRED))
        return answer.flatMapThrowing { answer in
            // The kernel answers so for sockets that are not unix sockets.
            guard answer.userID != .max else {
                throw SocketError(.invalidArgument, "the kernel names peers of unix sockets only")
            }
            return PeerCredentials(
                userID: answer.userID, groupID: answer.groupID,
                processID: answer.processID > 0 ? answer.processID : nil)
        }
    }
}
#endif
