#if canImport(Darwin)
import Darwin
import Dispatch

/// A kqueue watch. The kernel tells of names that come and go in a directory, not of writes to its files: those are
/// looked for every second.
final class DirectoryWatch: @unchecked Sendable {  // its sources are made once and cancelled once
    private let source: any DispatchSourceFileSystemObject
    private let timer: any DispatchSourceTimer

    init(_ directory: String, _ changes: AsyncStream<Void>.Continuation) throws {
        let descriptor = systemOpen(directory, O_EVTONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HostFilesError.system("watch \(directory)") }
        source = DispatchSource.makeFileSystemObjectSource(
            fileDescriptor: descriptor, eventMask: [.write, .delete, .rename, .extend], queue: nil)
        source.setEventHandler { changes.yield() }
        source.setCancelHandler {
            _ = systemClose(descriptor)
            changes.finish()
        }
        timer = DispatchSource.makeTimerSource()
        timer.schedule(deadline: .now() + 1, repeating: 1)
        timer.setEventHandler { changes.yield() }
        source.resume()
        timer.resume()
    }

    deinit {
        timer.cancel()
        source.cancel()
    }
}
#endif
