#if canImport(Darwin)
import Darwin
import NIOCore

extension PeerCredentials {
    static func read(from provider: any SocketOptionProvider) -> EventLoopFuture<PeerCredentials> {
        let local = SocketOptionLevel(SOL_LOCAL)
        let credentials: EventLoopFuture<xucred> = provider.unsafeGetSocketOption(
            level: local, name: SocketOptionName(LOCAL_PEERCRED))
        let process: EventLoopFuture<pid_t> = provider.unsafeGetSocketOption(
            level: local, name: SocketOptionName(LOCAL_PEERPID))
        return credentials.and(process).flatMapThrowing { credentials, process in
            guard credentials.cr_version == UInt32(XUCRED_VERSION) else {
                throw SocketError(.failed, "the kernel describes peers in a form unknown here")
            }
            return PeerCredentials(
                userID: credentials.cr_uid, groupID: credentials.cr_groups.0, processID: process > 0 ? process : nil)
        }
    }
}
#endif
