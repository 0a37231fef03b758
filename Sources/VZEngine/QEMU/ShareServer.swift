import Logging
import NIOCore
import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The process that serves one shared directory to one machine. It ends with the machine, and with its supervisor.
final class ShareServer: Sendable {
    let share: MachineConfig.Share
    let socket: String
    let child: ChildProcess
    private let errors: ErrorOutput
    private let errorChannel: any Channel
    /// Where the directory appears read-only to the server; nil when nothing was made.
    private let mountPoint: String?

    private init(
        share: MachineConfig.Share, socket: String, child: ChildProcess, errors: ErrorOutput,
        errorChannel: any Channel, mountPoint: String?
    ) {
        self.share = share
        self.socket = socket
        self.child = child
        self.errors = errors
        self.errorChannel = errorChannel
        self.mountPoint = mountPoint
    }

    static func start(
        _ share: MachineConfig.Share, socket: String, kind: ShareServerKind, group: any EventLoopGroup
    ) async throws -> ShareServer {
        let errors = try ErrorOutput()
        let listening = try ListeningSocket.make(socket)
        var mountPoint: String?
        do {
            let isRoot = geteuid() == 0
            var request = ProcessRequest(
                kind.path,
                kind.arguments(source: share.source, readOnly: share.readOnly, descriptor: 3, isRoot: isRoot))
            if share.readOnly, !kind.hasReadOnly {
                let point = socket + ".ro"
                try makeMountPoint(point, for: share, isRoot: isRoot)
                mountPoint = point
                request = ProcessRequest(
                    "unshare",
                    [
                        "--mount", "--propagation", "private", "--", "/bin/sh", "-c", ShareServerKind.readOnlyWrapper,
                        "sh",
                    ]
                        + [share.source, point, kind.path]
                        + kind.arguments(source: point, readOnly: true, descriptor: 3, isRoot: isRoot))
            }
            request.diesWithParent = true
            request.descriptors = [-1, -1, errors.descriptor.number, listening.number]
            let child = try await ChildProcess.start(request)
            listening.close()
            errors.descriptor.close()
            let channel: any Channel
            do {
                channel = try await errors.attach(group)
            } catch {
                child.signal(SIGKILL)
                _ = await child.waitForEnd()
                throw error
            }
            return ShareServer(
                share: share, socket: socket, child: child, errors: errors, errorChannel: channel,
                mountPoint: mountPoint)
        } catch {
            removeFiles(socket, mountPoint)
            if let error = error as? VZEngineError { throw error }
            throw VZEngineError(.startFailed, "\(share.source) cannot be shared with the guest", cause: error)
        }
    }

    private static func makeMountPoint(_ point: String, for share: MachineConfig.Share, isRoot: Bool) throws {
        guard isRoot else {
            throw VZEngineError(
                .startFailed,
                "sharing \(share.source) read-only needs root, or a virtiofsd that knows --readonly (1.13 or newer)")
        }
        guard mkdir(point, 0o700) == 0 || errno == EEXIST else { throw VZEngineError.system("make \(point)") }
    }

    /// What happened when it has ended though it should not.
    var failure: String {
        let end = child.end.map { "\($0)" } ?? "no end"
        return "the server of the shared directory \(share.source) ended with \(end)"
            + (errors.text.isEmpty ? "" : ": \(errors.text)")
    }

    /// It ends by itself when its machine does: a moment for that, then by force.
    func stop(after limit: Duration) async {
        let overdue = Task { [child] in
            try await Task.sleep(for: limit)
            child.signal(SIGKILL)
        }
        _ = await child.waitForEnd()
        overdue.cancel()
        await errorChannel.drained(within: .milliseconds(200))
        Self.removeFiles(socket, mountPoint)
    }

    private static func removeFiles(_ socket: String, _ mountPoint: String?) {
        unlink(socket)
        if let mountPoint { rmdir(mountPoint) }
    }
}
