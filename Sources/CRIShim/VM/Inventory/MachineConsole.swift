import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a machine's serial console said, out of its files: the supervisor writes down every byte at once, and what it wrote
/// stays when the machine has ended.
public struct MachineConsole: Sendable {
    private let machine: MachineEntry
    private let inventory: MachineInventory

    /// How long a change may go unnoticed where the system tells of none.
    private static let pause = Duration.seconds(1)

    public init(of machine: MachineEntry, in inventory: MachineInventory) {
        self.machine = machine
        self.inventory = inventory
    }

    /// Gives `write` the last `lines` lines (nil is all there are), and with `follow` what comes until the machine has ended.
    /// - Throws: `ShimError`; what `write` throws.
    public func copy(
        lines: Int?, follow: Bool, to write: @escaping @Sendable ([UInt8]) async throws -> Void
    ) async throws {
        let reader = ConsoleReader(path: machine.console)
        let changes = follow ? try watch() : nil
        let first = try await RootDirectory.offload { try reader.tail(lines) }
        if !first.isEmpty { try await write(first) }
        guard let changes else { return }
        let (moments, moment) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        moment.yield()
        let telling = Task { for await _ in changes { moment.yield() } }
        let ticking = Task {
            while true {
                try await Task.sleep(for: Self.pause)
                moment.yield()
            }
        }
        defer {
            telling.cancel()
            ticking.cancel()
        }
        let (inventory, id) = (inventory, machine.id)
        for await _ in moments {
            // Asked before the file is read: nothing is written after that.
            let isOver = try await RootDirectory.offload { try inventory.isOver(id) }
            while true {
                let bytes = try await RootDirectory.offload { try reader.next() }
                guard !bytes.isEmpty else { break }
                try await write(bytes)
            }
            if isOver { return }
        }
        try Task.checkCancellation()
    }

    private func watch() throws -> FileWatcher {
        let directory = inventory.directory(of: machine.id)
        do {
            return try FileWatcher(directory: directory)
        } catch {
            throw ShimError(.failed, "following the console of machine \(machine.id.prefix(13)) failed", cause: error)
        }
    }
}

/// Reads a console's file, and goes on in the next when that one was set aside. All of it blocks; one caller at a time.
final class ConsoleReader: @unchecked Sendable {
    // Used by one task, which awaits each call before it makes the next.
    private let path: String
    private var descriptor: Int32 = -1

    private static let piece = 64 << 10

    init(path: String) { self.path = path }

    deinit { if descriptor >= 0 { close(descriptor) } }

    /// The last lines there are, and ``next()`` goes on behind them.
    func tail(_ lines: Int?) throws -> [UInt8] {
        var older = try RootDirectory.read(path + ".1") ?? []
        try openFile()
        var bytes: [UInt8] = []
        while true {
            let piece = try read()
            guard !piece.isEmpty else { break }
            bytes += piece
        }
        older += bytes
        guard let lines else { return older }
        return Array(Self.last(lines, of: older))
    }

    static func last(_ lines: Int, of bytes: [UInt8]) -> ArraySlice<UInt8> {
        guard lines > 0 else { return [] }
        var missing = lines
        var start = bytes.endIndex
        // The end of the last line begins no other.
        if bytes.last == UInt8(ascii: "\n") { start -= 1 }
        while start > bytes.startIndex {
            if bytes[start - 1] == UInt8(ascii: "\n") {
                missing -= 1
                if missing == 0 { break }
            }
            start -= 1
        }
        return bytes[start...]
    }

    /// What came since; empty when nothing did.
    func next() throws -> [UInt8] {
        try openFile()
        let bytes = try read()
        guard bytes.isEmpty, descriptor >= 0, wasSetAside() else { return bytes }
        // Written to between the read and the renaming, perhaps.
        let rest = try read()
        guard rest.isEmpty else { return rest }
        close(descriptor)
        descriptor = -1
        try openFile()
        return try read()
    }

    private func openFile() throws {
        guard descriptor < 0 else { return }
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 || errno == ENOENT else { throw RootDirectory.failure("opening \(path)", errno) }
    }

    private func read() throws -> [UInt8] {
        guard descriptor >= 0 else { return [] }
        var bytes = [UInt8](repeating: 0, count: Self.piece)
        while true {
            let count = systemRead(descriptor, &bytes, bytes.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw RootDirectory.failure("reading \(path)", errno) }
            return Array(bytes.prefix(count))
        }
    }

    private func wasSetAside() -> Bool {
        var ours = stat()
        var present = stat()
        guard fstat(descriptor, &ours) == 0, stat(path, &present) == 0 else { return false }
        return ours.st_ino != present.st_ino || ours.st_dev != present.st_dev
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}
