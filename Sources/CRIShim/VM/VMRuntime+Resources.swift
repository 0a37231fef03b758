import Logging
import Proto
import Synchronization
import VZEngine

extension VMRuntime {
    /// How long a guest may take to give back memory before it counts as not willing.
    private static let balloonLimit = Duration.seconds(15)
    private static let megabyte: Int64 = 1 << 20

    /// A machine that runs can be given less memory, and again what it was made with. Nothing else of it can change.
    func updateResources(_ container: ContainerEntry, _ resources: CRI.LinuxContainerResources) async throws {
        let machine = try machine(container.id)
        let wanted = MachineResources.Request(resources)
        let known = machine.resources ?? .init()
        guard let bytes = try Self.newMemory(wanted, known, machine) else { return }
        guard machine.status?.phase == .running else {
            throw ShimError(
                .wrongState,
                "the memory of container \(container.record.name), a virtual machine, can be changed while it runs only"
            )
        }
        try await shielded { [self] in
            try await serial.run(machine.id) {
                try await setMemory(bytes, of: machine)
                var changed = known
                changed.memoryLimit = wanted.memoryLimit
                try await remember(changed, of: machine)
            }
        }
    }

    /// - Returns: nil when nothing is to be changed; being told again what it has is no change.
    /// - Throws: `unsupported`, `invalidArgument`.
    private static func newMemory(
        _ wanted: MachineResources.Request, _ known: MachineResources.Request, _ machine: ManagedMachine
    ) throws -> Int64? {
        let what = "container \(machine.record.container.name), a virtual machine,"
        func differs(_ field: KeyPath<MachineResources.Request, Int64>) -> Bool {
            wanted[keyPath: field] != 0 && wanted[keyPath: field] != known[keyPath: field]
        }
        if differs(\.cpuPeriod) || differs(\.cpuQuota) || differs(\.cpuShares) {
            throw ShimError(
                .unsupported,
                "the cpus of \(what) cannot be changed while it exists: its guest has \(machine.config.cpus) processors "
                    + "from its start to its end; make a new container with others")
        }
        if differs(\.oomScore) {
            throw ShimError(
                .unsupported, "the OOM score of \(what) cannot be changed while it exists: make a new container")
        }
        guard differs(\.memoryLimit) else { return nil }
        let bytes = (wanted.memoryLimit + megabyte - 1) / megabyte * megabyte
        guard bytes >= MachineResources.smallestMemory else {
            throw ShimError(
                .invalidArgument,
                "\(what) cannot do with \(wanted.memoryLimit) bytes of memory: it needs "
                    + "\(MachineResources.smallestMemory >> 20) MiB at least")
        }
        guard bytes <= machine.config.memoryBytes else {
            throw ShimError(
                .unsupported,
                "\(what) was started with \(machine.config.memoryBytes >> 20) MiB of memory and cannot be given more, "
                    + "\(bytes >> 20) MiB: make a new container with that")
        }
        return bytes
    }

    /// Takes memory from the guest, or gives it back. What the guest does not give stays its own.
    private func setMemory(_ bytes: Int64, of machine: ManagedMachine) async throws {
        let client = client(for: machine)
        let what = "changing the memory of container \(machine.record.container.name)"
        do {
            let before = try await client.statistics().memoryBytes ?? machine.config.memoryBytes
            try await client.setMemory(bytes: bytes)
            let end = ContinuousClock.now + Self.balloonLimit
            var pause = Duration.milliseconds(50)
            while true {
                let now = try await client.statistics().memoryBytes
                // A page or so may be left out.
                if let now, abs(now - bytes) < Self.megabyte { return }
                guard ContinuousClock.now < end else {
                    // The status says what is: so it is to be what it was.
                    try await client.setMemory(bytes: min(before, machine.config.memoryBytes))
                    throw ShimError(
                        .unsupported,
                        "\(what) failed: asked for \(bytes >> 20) MiB, its guest has \((now ?? before) >> 20) MiB after "
                            + "\(Self.balloonLimit). It needs its memory, or has no driver for a memory balloon "
                            + "(virtio_balloon)")
                }
                try await Task.sleep(for: pause)
                pause = min(pause * 2, .milliseconds(500))
            }
        } catch let error as VZEngineError {
            throw Self.shimError(error, what)
        }
    }

    /// So that statuses say it, also those of our successor.
    private func remember(_ resources: MachineResources.Request, of machine: ManagedMachine) async throws {
        let bundle = machine.bundle
        try await RootDirectory.offload {
            try bundle.write(MachineResourcesRecord(resources: resources), to: bundle.resources)
        }
        machine.state.withLock { $0.resources = resources }
        guard var entry = try store.containerIfPresent(machine.id) else { return }
        entry.resources = resources.resources
        try store.put(entry)
        logger.info("a machine's memory was changed", metadata: meta(machine, ["bytes": "\(resources.memoryLimit)"]))
    }
}

/// `resources.json` in a machine's bundle: what was asked for since it was made.
struct MachineResourcesRecord: Codable, Sendable, Hashable {
    static let schema = 1

    var schema = Self.schema
    var resources: MachineResources.Request
}

extension MachineBundle {
    /// ``MachineResourcesRecord``
    var resources: String { directory + "/resources.json" }
}
