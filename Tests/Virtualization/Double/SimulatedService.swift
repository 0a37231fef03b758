import Foundation
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
    private struct State {
        var isEnding = false
    }
    private let process: Unchecked<Process>
    private let input: Unchecked<Pipe>
    private let state = Mutex(State())

    /// - Parameter died: it ended and was not told to.
    init(holding disk: String, died: @escaping @Sendable () -> Void) throws {
        guard let file = FileHandle(forUpdatingAtPath: disk) ?? FileHandle(forReadingAtPath: disk) else {
            throw VZError(.invalidDiskImage, "\(disk) cannot be opened.")
        }
        // Else whoever is started at the same moment holds the disk as well, and is taken for the machine's process.
        _ = fcntl(file.fileDescriptor, F_SETFD, FD_CLOEXEC)
        let process = Process()
        let input = Pipe()
        process.executableURL = URL(fileURLWithPath: "/bin/cat")
        process.standardInput = input
        process.standardOutput = FileHandle.nullDevice
        process.standardError = file
        (self.process, self.input) = (Unchecked(process), Unchecked(input))
        process.terminationHandler = { [weak self] _ in
            guard self?.state.withLock({ $0.isEnding }) == false else { return }
            died()
        }
        try process.run()
        try? file.close()
    }

    var id: Int32 { process.value.processIdentifier }

    func end() {
        let isFirst = state.withLock { state in
            defer { state.isEnding = true }
            return !state.isEnding
        }
        guard isFirst else { return }
        try? input.value.fileHandleForWriting.close()
        // Another process may have inherited that end.
        process.value.terminate()
        process.value.waitUntilExit()
    }
}
