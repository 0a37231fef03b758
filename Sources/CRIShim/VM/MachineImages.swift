import VZEngine

/// What the VM runtime needs to know of an image.
struct MachineImage: Sendable {
    /// `sha256:` and the manifest's digest.
    var id: String
    var guestOS = MachineConfig.GuestOS.linux
    /// Paths are absolute, in the image store.
    var boot: MachineConfig.Boot
    /// Disks that a machine gets a copy of each, the first to start from. Paths are absolute, in the image store.
    var disks: [MachineConfig.Disk] = []
    /// What a container that says nothing gets; nil is this program's own default.
    var cpus: Int?
    var memoryBytes: Int64?
    /// The user the image was made for, and a key for it.
    var credentials: MachineConfig.Credentials
    /// Keeps the image's files where they are for as long as somebody has it.
    var lease: (any Sendable)?
}

/// Where images of virtual machines come from.
protocol MachineImages: Sendable {
    /// The image with this name or id, and how to log into it in a pod with these annotations; nil when it is not here.
    func machineImage(_ reference: String, annotations: [String: String]) async throws -> MachineImage?
    /// A machine is no more: what only it needed may go.
    func machineRemoved() async
    /// Makes a disk of a machine's own out of an image's, in O(1): copy on write.
    /// - Parameters:
    ///   - path: of the new disk, without an ending.
    ///   - size: how many bytes it has; nil is as many as the image's.
    /// - Returns: the new disk with its full path and its format, which may be another one.
    func clone(_ disk: MachineConfig.Disk, to path: String, size: Int64?) async throws -> MachineConfig.Disk
    /// Sees to it that what a machine's disks lie upon can be read, until ``ended(_:)``.
    /// - Parameter waits: until it can be; else that is seen to meanwhile.
    func prepare(_ machine: MachineConfig, waits: Bool) async throws
    /// A machine's guest has started.
    func started(_ machine: MachineConfig) async
    /// Nobody reads a machine's disks any more.
    func ended(_ machine: MachineConfig) async
}

/// Where images are files and nothing else.
extension MachineImages {
    func prepare(_ machine: MachineConfig, waits: Bool) async throws {}
    func started(_ machine: MachineConfig) async {}
    func ended(_ machine: MachineConfig) async {}
}
