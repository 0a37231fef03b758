import Foundation
import Support
import Synchronization

/// A process of the framework's in which a machine runs.
protocol MachineProcess: Sendable {
    var id: Int32 { get }
    /// Waits for its end.
    func end()
}

/// The framework runs every machine in a process of its own, which holds the disk and outlives a stop by a moment. Here it
/// is one that waits for the end of its input, and so ends with this process as well.
final class SimulatedService: MachineProcess {
    private let process: ChildProcess
    private let isEnding = Mutex(false)

    /// - Parameter died: it ended and was not told to.
    init(holding disk: String, died: @escaping @Sendable () -> Void) throws {
        guard access(disk, R_OK) == 0 else { throw VZError(.invalidDiskImage, "\(disk) cannot be opened.") }
        // It opens the disk itself: nobody who is started at the same moment holds it as well.
        let script = #"if [ -w "$0" ]; then exec 9<>"$0"; else exec 9<"$0"; fi; echo; exec cat >/dev/null"#
        process = try ChildProcess("/bin/sh", ["-c", script, disk], keepsInputOpen: true)
        while process.output.isEmpty, process.isRunning { usleep(1000) }
        Thread.detachNewThread { [weak self, process] in
            _ = process.waitBlocking()
            if self?.isEnding.withLock({ $0 }) == false { died() }
        }
    }

    var id: Int32 { process.pid }

    func end() {
        let isFirst = isEnding.withLock { isEnding in
            defer { isEnding = true }
            return !isEnding
        }
        guard isFirst else { return }
        process.send(SIGKILL)
        _ = process.waitBlocking()
    }
}
