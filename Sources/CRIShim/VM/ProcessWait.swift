import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Processes that are not our children: nobody tells us of their end, so they are looked at, ever less often.
enum ProcessWait {
    /// - Returns: whether none of them runs any more.
    static func untilGone(_ processes: [ProcessIdentity], within limit: Duration) async -> Bool {
        let end = ContinuousClock.now + limit
        var pause = Duration.milliseconds(1)
        while processes.contains(where: \.isAlive) {
            guard ContinuousClock.now < end else { return false }
            do { try await Task.sleep(for: pause) } catch { return !processes.contains(where: \.isAlive) }
            pause = min(pause * 2, .milliseconds(100))
        }
        return true
    }
}

extension ProcessIdentity {
    /// Ends this very process at once, if it still runs.
    func kill() {
        // Between the look and the kill its number could be reused only after somebody reaped it and the system went
        // through all other numbers.
        guard isAlive else { return }
        #if canImport(Glibc)
        _ = Glibc.kill(id, SIGKILL)
        #else
        _ = Darwin.kill(id, SIGKILL)
        #endif
    }
}

/// Which run of the system this is.
enum SystemBoot {
    static let id = ProcessIdentity.of(getpid())?.bootID ?? ""
}
