import Dispatch

/// An actor's executor that is a dispatch queue: the framework wants everything of a machine to happen on the machine's
/// queue, and calls back on it.
final class QueueExecutor: SerialExecutor {
    let queue: DispatchQueue

    init(label: String) { queue = DispatchQueue(label: label) }

    func enqueue(_ job: consuming ExecutorJob) {
        let job = UnownedJob(job)
        queue.async { job.runSynchronously(on: self.asUnownedSerialExecutor()) }
    }

    /// The framework's callbacks run on the queue but in no task: the language asks here whether they may.
    func checkIsolated() { dispatchPrecondition(condition: .onQueue(queue)) }
}
