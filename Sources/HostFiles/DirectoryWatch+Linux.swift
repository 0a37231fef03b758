#if os(Linux)
import Dispatch
import Glibc
import Synchronization

/// A watch of one directory, on the process's only inotify instance: a user has few of those (often 128), but many
/// watches.
final class DirectoryWatch: Sendable {
    private let watch: Int32
    private let listener: UInt64
    private let changes: AsyncStream<Void>.Continuation

    init(_ directory: String, _ changes: AsyncStream<Void>.Continuation) throws {
        self.changes = changes
        (watch, listener) = try Inotify.shared.add(directory, changes)
    }

    deinit {
        Inotify.shared.remove(watch, listener)
        changes.finish()
    }
}

/// The instance, made at first use and kept.
private final class Inotify: Sendable {
    static let shared = Inotify()

    private struct State {
        var descriptor: Int32?
        /// By watch: the kernel has one for a directory, however many listen.
        var listeners: [Int32: [UInt64: AsyncStream<Void>.Continuation]] = [:]
        var next: UInt64 = 0
    }

    private let state = Mutex(State())

    func add(_ directory: String, _ changes: AsyncStream<Void>.Continuation) throws -> (Int32, UInt64) {
        try state.withLock { state in
            let descriptor = try state.descriptor ?? Self.start()
            state.descriptor = descriptor
            let mask =
                IN_CREATE | IN_CLOSE_WRITE | IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_DELETE | IN_DELETE_SELF
                | IN_MOVE_SELF
            let watch = inotify_add_watch(descriptor, directory, UInt32(mask) | UInt32(IN_ONLYDIR))
            guard watch >= 0 else { throw HostFilesError.system("watch \(directory)") }
            state.next += 1
            state.listeners[watch, default: [:]][state.next] = changes
            return (watch, state.next)
        }
    }

    func remove(_ watch: Int32, _ listener: UInt64) {
        state.withLock { state in
            guard let descriptor = state.descriptor, state.listeners[watch]?.removeValue(forKey: listener) != nil,
                state.listeners[watch]?.isEmpty == true
            else { return }
            state.listeners[watch] = nil
            inotify_rm_watch(descriptor, watch)
        }
    }

    private static func start() throws -> Int32 {
        let descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))
        guard descriptor >= 0 else { throw HostFilesError.system("begin to watch directories") }
        let source = DispatchSource.makeReadSource(fileDescriptor: descriptor)
        // The source is never cancelled: it and the handler hold each other for as long as the process lives.
        source.setEventHandler {
            _ = source
            shared.tell(descriptor)
        }
        source.resume()
        return descriptor
    }

    private func tell(_ descriptor: Int32) {
        var buffer = [UInt8](repeating: 0, count: 16 << 10)
        var events: [(watch: Int32, mask: UInt32)] = []
        while case let count = read(descriptor, &buffer, buffer.count), count > 0 {
            buffer.withUnsafeBytes { bytes in
                var offset = 0
                let head = MemoryLayout<inotify_event>.size
                while offset + head <= count {
                    let event = bytes.loadUnaligned(fromByteOffset: offset, as: inotify_event.self)
                    events.append((event.wd, event.mask))
                    offset += head + Int(event.len)
                }
            }
        }
        let told = state.withLock { state in
            // What did not fit into the kernel's queue may have been of any directory.
            if events.contains(where: { $0.mask & UInt32(IN_Q_OVERFLOW) != 0 }) {
                return state.listeners.values.flatMap(\.values)
            }
            let told = Set(events.map(\.watch)).flatMap { state.listeners[$0].map { Array($0.values) } ?? [] }
            // The directory is gone, and the kernel has dropped its watch.
            for event in events where event.mask & UInt32(IN_IGNORED) != 0 { state.listeners[event.watch] = nil }
            return told
        }
        for listener in told { listener.yield() }
    }
}
#endif
