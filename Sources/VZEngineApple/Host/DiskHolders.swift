import Processes
import VZEngine

/// The framework runs every machine in a process of its own, whose number it does not tell: it is the one that has the
/// machine's disk open.
enum DiskHolders {
    /// Processes other than this one that have a file open. Looks at every process: blocks for some milliseconds.
    static func of(_ path: String) -> [ProcessIdentity] {
        let own = ProcessIdentity.ownNumber
        return numbers(holding: path).filter { $0 != own }.compactMap { ProcessIdentity.of($0) }
    }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension ProcessIdentity {
    static var ownNumber: Int32 { getpid() }

    /// Ends it at once, unless its number is another's by now.
    func kill() {
        guard isAlive else { return }
        _ = sendSignal(id, SIGKILL)
    }
}

private func sendSignal(_ id: Int32, _ signal: Int32) -> Int32 { kill(id, signal) }
