import Logging
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Watches the file system that machines' disks are on: below the reserve no machine is made, far below those that run are
/// paused, and resumed when there is room again.
final class DiskGuard: Sendable {
    private let path: String
    private let reserve: DiskReserve
    private let interval: Duration
    private let logger: Logger
    private let state = Mutex(DiskState())

    /// - Parameter path: of the directory of all machines; what is above it counts until it exists.
    init(path: String, reserve: DiskReserve, interval: Duration = .seconds(3), logger: Logger) {
        self.path = path
        self.reserve = reserve
        self.interval = interval
        self.logger = logger
    }

    var current: DiskState { state.withLock { $0 } }

    /// Before a machine is made.
    /// - Throws: `exhausted`
    func requireRoom() throws {
        let now = current
        guard now.level != .ample else { return }
        throw ShimError(.exhausted, message(now))
    }

    private func message(_ now: DiskState) -> String {
        "DiskPressure: \(now.freeBytes >> 20) MiB are free on the disk of \(path), and \(now.reserveBytes >> 20) MiB are to "
            + "stay so: no virtual machine is made. Free some, or lower diskReserve in the configuration"
    }

    /// A condition of Status.
    var health: RuntimeHealth {
        let now = current
        if let problem = now.problem {
            return RuntimeHealth(isReady: true, reason: "DiskUnknown", message: problem)
        }
        guard now.level != .ample else { return .ready }
        return RuntimeHealth(
            isReady: false, reason: now.level == .critical ? "DiskFull" : "DiskPressure", message: message(now))
    }

    /// Until cancelled. The disk may hang: it is looked at on a thread of its own, which nobody else waits for.
    func run(_ machines: VMRuntime) async {
        let thread = NIOThreadPool(numberOfThreads: 1)
        thread.start()
        defer { thread.shutdownGracefully { _ in } }
        await withDiscardingTaskGroup { group in
            while !Task.isCancelled {
                await look(on: thread)
                let isCritical = current.level == .critical
                // A machine that does not answer is not waited for: the others are to hear of the next change.
                group.addTask { await isCritical ? machines.pauseForDisk() : machines.resumeAfterDisk() }
                do { try await Task.sleep(for: interval) } catch { break }
            }
            group.cancelAll()
        }
    }

    private func look(on thread: NIOThreadPool) async {
        do {
            let (path, reserve) = (path, reserve)
            let (free, total) = try await thread.runIfActive { try Self.look(path) }
            note(free: free, reserve: reserve.bytes(of: total))
        } catch is CancellationError {
            return
        } catch {
            note(problem: "\(error)")
        }
    }

    /// Looks once, so that the first answers are right. Blocks.
    func lookNow() {
        do {
            let (free, total) = try Self.look(path)
            note(free: free, reserve: reserve.bytes(of: total))
        } catch {
            note(problem: "\(error)")
        }
    }

    private func note(free: UInt64, reserve: UInt64) {
        let (before, now) = state.withLock { state in
            let before = state
            state = DiskState(
                level: state.level.next(free: free, reserve: reserve), freeBytes: free, reserveBytes: reserve)
            return (before, state)
        }
        guard before.level != now.level else { return }
        let facts: Logger.Metadata = [
            "path": "\(path)", "freeBytes": "\(free)", "reserveBytes": "\(reserve)", "before": "\(before.level)",
        ]
        switch now.level {
        case .ample: logger.notice("the machines' disk has room again", metadata: facts)
        case .low: logger.warning("the machines' disk is getting full: no more are made", metadata: facts)
        case .critical: logger.error("the machines' disk is full: those that run are paused", metadata: facts)
        }
    }

    private func note(problem: String) {
        let isNew = state.withLock { state in
            defer { state.problem = problem }
            return state.problem == nil
        }
        if isNew { logger.error("the machines' disk cannot be looked at", metadata: ["error": "\(problem)"]) }
    }

    private static func look(_ path: String) throws -> (free: UInt64, total: UInt64) {
        var status = statvfs()
        var place = path
        while statvfs(place, &status) != 0 {
            guard errno == ENOENT, let slash = place.lastIndex(of: "/"), slash > place.startIndex else {
                throw RootDirectory.failure("looking at the file system of \(path)", errno)
            }
            place = String(place[..<slash])
        }
        let block = UInt64(status.f_frsize)
        return (UInt64(status.f_bavail) * block, UInt64(status.f_blocks) * block)
    }
}
