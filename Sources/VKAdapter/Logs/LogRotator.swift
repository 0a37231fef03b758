import KubeAPI
import Logging

/// Keeps the logs of containers from filling the disk, as the kubelet does: one that has grown gets another name, and the
/// oldest go.
struct LogRotator: Sendable {
    struct Limits: Sendable {
        /// `containerLogMaxSize`, in bytes.
        var size: UInt64 = 10 << 20
        /// `containerLogMaxFiles`: how many files a container has, the one that is written among them.
        var files = 5
        /// Between looks.
        var interval: Duration = .seconds(10)
    }

    let store: PodStore
    let logs: any LogHost
    let provider: any Provider
    let mapping: MappingContext
    var limits = Limits()
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        while true {
            do { try await Task.sleep(for: limits.interval) } catch { return }
            await look()
        }
    }

    /// Looks at the log of every container that runs, once.
    func look() async {
        for pod in store.all {
            for status in pod.status.initContainerStatuses + pod.status.containerStatuses
            where status.state.running != nil {
                if Task.isCancelled { return }
                await look(at: status, of: pod)
            }
        }
    }

    private func look(at status: ContainerStatus, of pod: Pod) async {
        guard let id = status.containerID.split(separator: "/").last.map(String.init) else { return }
        let log =
            PodMapping.logDirectory(pod, mapping) + "/"
            + PodMapping.logPath(container: status.name, attempt: UInt32(clamping: status.restartCount))
        do {
            let rotation = try await logs.rotate(log, container: id, largerThan: limits.size, keep: limits.files - 1)
            if rotation == .toBeReopened { try await provider.reopenLog(id) }
            if rotation != .unchanged { logger.debug("rotated a log", metadata: ["log": "\(log)"]) }
        } catch {
            // A container that ends meanwhile writes no more.
            if (error as? AdapterError)?.code == .notFound || Task.isCancelled { return }
            logger.warning("cannot rotate a log: \(error)", metadata: ["log": "\(log)"])
        }
    }
}
