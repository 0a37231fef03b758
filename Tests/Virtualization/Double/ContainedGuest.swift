import Foundation

/// A machine's process in which a guest runs that can be logged in to: the programs of a Linux guest's initial RAM disk, in
/// namespaces of their own on this host's kernel. They have a network with this host at its other end, the machine's disk
/// as `/dev/vda`, shares that `mount -t virtiofs` finds, and a console. Needs root.
///
/// What a shared kernel cannot double: `sysrq` (a line written to `/.machine/panic` is a panic), the balloon, the clock;
/// and of a saved state only the files in memory come back, not the programs that ran.
///
/// Its state is touched with `news` held only: that makes it Sendable.
final class ContainedGuest: MachineProcess, @unchecked Sendable {
    enum Event: Sendable {
        case poweredOff, restarted
        /// It ended and was not told to.
        case died
    }

    private struct State {
        var isEnding = false
        var address: String?
        var answers: [String] = []
        var errors = ""
        var hasEnded = false
    }
    private let process: Process
    private let input: Pipe
    private let news = NSCondition()
    private var state = State()
    private let told: @Sendable (Event) -> Void

    /// How long a machine may take to do what it is told.
    private static let patience: TimeInterval = 20

    /// - Parameter memory: a file with what was in its memory when it was saved, which is removed; such a guest begins with
    ///   ``resume()``.
    init(
        disk: String, initialRamdisk: String, shares: [(tag: String, share: SimulatedHardware.Share)], memory: String?,
        console: FileHandle?, told: @escaping @Sendable (Event) -> Void
    ) throws {
        let process = Process()
        let (input, errors) = (Pipe(), Pipe())
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments =
            [
                "unshare", "--mount", "--propagation", "private", "sh", "-c", #"eval "$MACHINE""#, "machine",
                "power_on",
                disk, initialRamdisk, memory ?? "",
            ] + shares.flatMap { [$0.tag, $0.share.isReadOnly ? "ro" : "rw", $0.share.path] }
        process.environment = ProcessInfo.processInfo.environment.merging(["MACHINE": Self.script]) { $1 }
        process.standardInput = input
        process.standardOutput = console ?? FileHandle.nullDevice
        process.standardError = errors
        (self.process, self.input, self.told) = (process, input, told)
        try process.run()
        let id = process.processIdentifier
        Thread.detachNewThread { [weak self] in
            Self.waitForEnd(of: id)
            self?.ended()
        }
        let reading = Unchecked(errors.fileHandleForReading)
        Thread.detachNewThread { [weak self] in
            var rest = ""
            // Without a word it has ended.
            while case let data = reading.value.availableData, !data.isEmpty {
                rest += String(decoding: data, as: UTF8.self)
                while let end = rest.firstIndex(of: "\n") {
                    self?.heard(rest[..<end])
                    rest.removeSubrange(...end)
                }
            }
        }
        guard wait({ $0.address != nil || $0.hasEnded }), address != nil else {
            let said = locked { $0.errors }
            end()
            throw VZError(.internalError, "The virtual machine failed to start. \(said)")
        }
    }

    var id: Int32 { process.processIdentifier }

    /// On the network between it and this host.
    var address: String? { locked { $0.address } }

    // MARK: What it is told. Waits until it is done.

    func pause() throws { try tell("pause") }
    func resume() throws { try tell("resume") }
    func pressPowerButton() throws { try tell("button") }
    /// The files that its memory holds.
    func savedMemory() throws -> Data {
        let path = Self.temporary()
        defer { try? FileManager.default.removeItem(atPath: path) }
        try tell("save \(path)")
        return try Data(contentsOf: URL(fileURLWithPath: path))
    }

    /// Where a machine that is restored finds what ``savedMemory()`` was.
    static func file(with memory: Data) throws -> String {
        let path = temporary()
        try memory.write(to: URL(fileURLWithPath: path))
        return path
    }

    private static func temporary() -> String { NSTemporaryDirectory() + "vzt-memory-\(UUID().uuidString)" }

    func replace(_ tag: String, _ share: SimulatedHardware.Share) throws {
        try tell("share \(tag) \(share.isReadOnly ? "ro" : "rw") \(share.path)")
    }

    /// One at a time: on the machine's queue.
    private func tell(_ words: String) throws {
        let before = locked { $0.answers.count }
        try input.fileHandleForWriting.write(contentsOf: Data((words + "\n").utf8))
        _ = wait { $0.answers.count > before || $0.hasEnded }
        let answer = locked { $0.answers.count > before ? $0.answers[before] : nil }
        guard answer == "0" else {
            throw VZError(.internalError, "The virtual machine did not \(words): \(answer ?? "no answer").")
        }
    }

    func end() {
        let isFirst = locked { state in
            defer { state.isEnding = true }
            return !state.isEnding
        }
        guard isFirst else { return }
        try? input.fileHandleForWriting.close()
        // All of its namespaces go with it.
        process.terminate()
        Self.waitForEnd(of: process.processIdentifier)
    }

    /// Foundation learns of an end by a socket that whoever is started at the same moment may hold: the system knows it.
    private static func waitForEnd(of id: Int32) {
        var info = siginfo_t()
        while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
    }

    // MARK: What it says

    private func heard(_ line: Substring) {
        let words = line.split(separator: " ")
        switch words.first {
        case "address": note { $0.address = words.last.map(String.init) }
        case "done": note { $0.answers.append(String(words.last ?? "")) }
        case "off": told(.poweredOff)
        case "restarted": told(.restarted)
        case "crashed": died()
        default: note { $0.errors += line + "\n" }
        }
    }

    private func ended() {
        note { $0.hasEnded = true }
        died()
    }

    private func died() { if !locked({ $0.isEnding }) { told(.died) } }

    private func locked<Value>(_ body: (inout State) -> Value) -> Value {
        news.lock()
        defer { news.unlock() }
        return body(&state)
    }

    private func note(_ change: (inout State) -> Void) {
        locked(change)
        news.broadcast()
    }

    private func wait(_ condition: (State) -> Bool) -> Bool {
        let end = Date(timeIntervalSinceNow: Self.patience)
        news.lock()
        defer { news.unlock() }
        while !condition(state) { guard news.wait(until: end) else { return false } }
        return true
    }
}
