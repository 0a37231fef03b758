import Dispatch
import Processes

/// Waits for the end of a process that is no child of this one.
enum ProcessExit {
    /// Suspends until it is gone; true then, false when it still lives at the limit or the task was cancelled.
    static func wait(for process: ProcessIdentity, within limit: Duration? = nil) async -> Bool {
        let gone = Answer()
        let source = source(of: process.id)
        source.setEventHandler { if tellsOnlyTheEnd || !process.isAlive { gone.give() } }
        source.activate()
        // It may have ended before the source watched.
        if !process.isAlive { gone.give() }
        let isGone = await gone.isGiven(within: limit)
        source.cancel()
        return isGone
    }
}
