#if os(Linux)
import Dispatch
import Glibc

/// An inotify watch.
final class DirectoryWatch: @unchecked Sendable {  // its source is made once and cancelled once
    private let source: any DispatchSourceRead

    init(_ directory: String, _ changes: AsyncStream<Void>.Continuation) throws {
        let descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        guard descriptor >= 0 else { throw HostFilesError.system("watch \(directory)") }
        let mask = UInt32(
            IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF)
        guard inotify_add_watch(descriptor, directory, mask) >= 0 else {
            let failure = HostFilesError.system("watch \(directory)")
            _ = systemClose(descriptor)
            throw failure
        }
        source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        source.setEventHandler {
            var buffer = [UInt8](repeating: 0, count: 4096)
            while read(descriptor, &buffer, buffer.count) > 0 {}
            changes.yield()
        }
        source.setCancelHandler {
            _ = systemClose(descriptor)
            changes.finish()
        }
        source.resume()
    }

    deinit { source.cancel() }
}
#endif
