/// How the machines of a ``SimulatedMac`` and their guests behave from now on.
public struct GuestBehaviour: Sendable {
    /// What the framework takes for each.
    public var startTime = Duration.milliseconds(2)
    public var stopTime = Duration.milliseconds(2)
    public var pauseTime = Duration.milliseconds(1)
    public var saveTime = Duration.milliseconds(1)
    /// Why no machine starts.
    public var startError: VZError.Code?
    /// No state can be saved.
    public var diskIsFull = false
    /// What the guest writes to its console when it starts.
    public var bootText = "simulated guest: ready\n"
    /// Whether a Linux guest with an initial RAM disk runs for real: its programs, on this host's kernel.
    public var runsGuests = false
    /// From the power button to the end. A Mac shows a dialog, and waits.
    public var linuxHeedsPowerButton = true
    public var macHeedsPowerButton = false
    public var shutdownTime = Duration.milliseconds(5)
    /// Whether there is a process of the framework's that holds the disk, and how long it lives on after the machine.
    public var hasService = true
    public var serviceLingers = Duration.zero
    /// A Mac that shuts itself down takes the host's place for it with it, until the host restarts.
    public var macShutdownLeaksSlot = false

    public init() {}
}
