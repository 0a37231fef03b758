public import NIOCore
public import Processes

/// What makes machines: QEMU on Linux, Virtualization.framework on macOS. Used by the supervisor only, which is the parent
/// of every process of a machine.
public protocol MachineEngine: Sendable {
    /// Starts a machine. Returns as soon as it executes; its guest may still boot. Leaves nothing behind when it throws or
    /// is cancelled.
    ///
    /// The calling process is in the pod's network namespace already.
    /// - Throws: `VZEngineError` with `invalidArgument`, `startFailed`, `portInUse` or `exhausted`.
    func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine
}

/// A machine that was started.
public protocol Machine: Sendable {
    /// What the system calls its processes.
    var processes: [ProcessIdentity] { get }
    /// What the guest writes to its serial console. One reader.
    var console: AsyncStream<ByteBuffer> { get }
    /// What happens to it while it lives. One reader. Ends with the machine.
    var changes: AsyncStream<MachineChange> { get }

    /// Where SSH reaches the guest, once that is known: at once with user-mode networking, after DHCP otherwise.
    func guestAddress() async throws -> GuestAddress
    /// Asks the guest to shut down, as the button of a computer does.
    func pressPowerButton() async throws
    /// Ends the machine at once. Done again, or after its end: nothing.
    func powerOff() async
    /// Suspends until the machine has ended and all its processes are gone.
    func waitForEnd() async -> MachineEnd

    // What not every engine, or not every machine, can: `unsupported` says so, and why.

    /// The machine stands still until ``resume()``. Paused already: nothing.
    func pause() async throws
    /// Goes on. It does already: nothing.
    func resume() async throws
    /// Writes all of a paused machine's state but its disks to a new file, which `MachineConfig.restoreFrom` takes. It stays
    /// paused, and must be resumed before it is saved again.
    func save(to path: String) async throws
    /// Asks the guest to make do with so much memory, between its minimum and what it was started with. Returns when it was
    /// asked: a guest gives back what it can spare.
    func setMemory(bytes: Int64) async throws
    /// What the machine knows of itself.
    func statistics() async throws -> MachineStatistics
    /// Writes what its display shows to a new PNG file.
    func screenshot(to path: String) async throws
    /// Gives the guest another directory in the place of the share with the same tag.
    func replaceShare(_ share: MachineConfig.Share) async throws
}

/// Where a guest is reached from the supervisor.
public struct GuestAddress: Codable, Sendable, Hashable {
    public var host: String
    public var port: Int

    public init(host: String, port: Int) {
        self.host = host
        self.port = port
    }
}

/// How a machine ended.
public enum MachineEnd: Sendable, Hashable {
    /// The guest switched itself off, or did so when asked.
    case poweredOff
    /// ``Machine/powerOff()`` was called.
    case forced
    /// The guest's kernel gave up.
    case panicked(message: String)
    /// The machine itself failed, or its process was killed.
    case crashed(message: String)
}
