import Proto
import RPC
import Waiting

extension HostService {
    /// Between two reports of what goes on all the time.
    private static let pace = Duration.milliseconds(200)

    /// Tells how pulls go on: those that do at first, then what changes.
    func registerPulls(in router: inout Router) {
        stream(HostAPI.HostService.watchPulls, in: &router) { _, writer in
            let watch = pulls.watchers.watch()
            defer { pulls.watchers.unwatch(watch.id) }
            var told: [Int: PullBoard.Pull] = [:]
            var isFirst = true
            for await _ in watch.changes {
                let now = pulls.all
                for (id, pull) in now where told[id] != pull && !(isFirst && pull.isFinished) {
                    try await writer.write(Self.message(pull))
                }
                told = Dictionary(now.map { ($0.id, $0.pull) }) { $1 }
                isFirst = false
                if await closing.wait(atMost: Self.pace) { return }
            }
        }
    }

    private static func message(_ pull: PullBoard.Pull) -> HostAPI.PullProgress {
        .init {
            $0.image = pull.image
            $0.bytesDone = pull.done
            $0.bytesTotal = pull.total
            $0.bytesPerSecond = pull.perSecond
            $0.finished = pull.isFinished
            $0.error = pull.failure
        }
    }
}
