import HostFiles
import NIOCore
import NIOPosix
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What the serial console says, each line with the time it began: `console.log`, and the older half in `console.log.1`.
final class ConsoleLog: Sendable {
    private struct State: ~Copyable {
        var descriptor: Int32 = -1
        var size = 0
        var isAtLineStart = true

        deinit { if descriptor >= 0 { _ = systemClose(descriptor) } }
    }

    private let path: String
    private let limit: Int
    private let state = Mutex(State())

    /// - Parameter limit: bytes of each of the two files.
    init(path: String, limit: Int = 4 << 20) {
        self.path = path
        self.limit = limit
    }

    /// Appends at once, also what is no whole line: a guest that hangs says no more.
    func append(_ bytes: ByteBuffer) async throws {
        let time = Moment.Clock.wall()
        try await NIOThreadPool.singleton.runIfActive { [self] in
            try state.withLock { state in try write(bytes, at: time, &state) }
        }
    }

    private func write(_ bytes: ByteBuffer, at time: Int64, _ state: inout State) throws {
        if state.descriptor < 0 { try open(&state) }
        var out = ByteBuffer()
        for line in bytes.readableBytesView.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            if line.offset > 0 {
                out.writeInteger(UInt8(ascii: "\n"))
                state.isAtLineStart = true
            }
            guard !line.element.isEmpty else { continue }
            if state.isAtLineStart {
                LogTime.append(time, to: &out)
                out.writeInteger(UInt8(ascii: " "))
                state.isAtLineStart = false
            }
            out.writeBytes(line.element)
        }
        while out.readableBytes > 0 {
            let count = out.withUnsafeReadableBytes { systemWrite(state.descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw HostFilesError(.failed, "\(path) cannot be written: \(lastError)") }
            out.moveReaderIndex(forwardBy: count)
            state.size += count
        }
        // A guest that never ends a line is cut all the same.
        if state.size > limit, state.isAtLineStart || state.size > limit * 2 { try rotate(&state) }
    }

    private func open(_ state: inout State) throws {
        state.descriptor = systemOpen(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0o640)
        guard state.descriptor >= 0 else { throw HostFilesError(.failed, "\(path) cannot be opened: \(lastError)") }
        state.size = Int(lseek(state.descriptor, 0, SEEK_END))
    }

    private func rotate(_ state: inout State) throws {
        guard rename(path, path + ".1") == 0 else {
            throw HostFilesError(.failed, "\(path) cannot be renamed: \(lastError)")
        }
        _ = systemClose(state.descriptor)
        state.descriptor = -1
        try open(&state)
    }

    private var lastError: String { String(cString: strerror(errno)) }
}

// The system's calls, under names that this file's own do not hide.
private func systemOpen(_ path: String, _ flags: Int32, _ mode: mode_t) -> Int32 { open(path, flags, mode) }
private func systemClose(_ descriptor: Int32) -> Int32 { close(descriptor) }
private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}
