/// How QEMU is run on this host.
public struct QEMUOptions: Sendable {
    public enum Accelerator: String, Sendable, Codable { case kvm, tcg }

    /// A path, or a name in `PATH`; nil is the emulator of this host's architecture.
    public var emulator: String?
    /// virtiofsd, which serves the shared directories; nil looks where distributions put it.
    public var shareServer: String?
    /// Where UEFI firmware is looked for before the places of distributions.
    public var firmwareDirectories: [String] = []
    /// nil: KVM when a probe shows that it works, else emulation.
    public var accelerator: Accelerator?
    /// Where the outcome of the probe is kept until the host restarts; nil keeps none.
    public var probeFile: String? = KVMProbe.defaultFile
    /// Until a machine that was started must execute.
    public var startDeadline: Duration = .seconds(30)
    /// How often a machine is asked whether it still answers its monitor,
    public var monitorInterval: Duration = .seconds(15)
    /// and how long it has to answer before it counts as hung and is killed.
    public var monitorDeadline: Duration = .seconds(60)

    /// How often a machine that stands still, because a disk of the host is full or fails, tries to go on.
    public var stallInterval: Duration = .seconds(5)
    /// Until a machine that was saved must be as it was.
    public var restoreDeadline: Duration = .seconds(300)

    public init() {}
}
