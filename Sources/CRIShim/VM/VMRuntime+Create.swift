import Logging
import Proto
import Synchronization
import VZEngine
import Waiting

extension VMRuntime {
    func createContainer(_ creation: ContainerCreation) async throws -> String {
        if let problem = launcher.check() { throw problem }
        try options.disk?.requireRoom()
        let checkpoint = try await checkpoint(for: creation)
        let named = creation.config.image?.image ?? ""
        let reference = named.hasPrefix("/") ? checkpoint?.record.imageID ?? named : named
        let annotations = creation.sandbox.record.annotations
        guard let image = try await images.machineImage(reference, annotations: annotations) else {
            throw ShimError(.notFound, "the virtual machine image \(reference) is not here: pull or import it first")
        }
        try options.engine.check(image, reference)
        if let checkpoint, image.id != checkpoint.record.imageID {
            throw ShimError(
                .invalidArgument,
                "the checkpoint \(checkpoint.directory) is of another image than \(reference): of "
                    + checkpoint.record.image)
        }
        try MachineMapping.refuseUnsupported(creation.config)
        let what = "container \(creation.config.metadata?.name ?? "")"
        let request = creation.config.linux?.resources.map(MachineResources.Request.init)
        let wishes = try MachineOptions(
            creation.config.annotations, annotations, defaults: options.machines, image: image, what: what)
        if wishes.isNested, let refusal = await options.engine.nestingRefusal(logger: logger) {
            throw ShimError(
                .unsupported,
                "\(what): annotation \(MachineOptions.nested) (or vm.nestedVirtualization of the configuration): \(refusal)"
            )
        }
        let asked = try MachineResources.size(
            request, wishes: wishes, image: image, host: options.host.limited(by: options.machines), what: what)
        let size = try checkpoint.map { try Self.size(of: $0, asked, request) } ?? asked
        let id = Identifiers.hex(64)
        try slots.take(image.guestOS, forMachine: id, inSandbox: creation.sandbox.id)
        defer { state.withLock { $0.promised[id] = nil } }
        do {
            let machine = try await shielded { [self] in
                try await make(id, creation, image, request, size, wishes, from: checkpoint)
            }
            try Task.checkCancellation()
            try insert(machine)
            return id
        } catch {
            // The caller never learns the id.
            let bundle = MachineBundle(id: id, root: options.root, state: options.state)
            try await shielded { [self] in
                state.withLock { $0.machines[id] = nil }
                try await RootDirectory.offload { try Self.discard(bundle) }
                await release(id)
            }
            throw error
        }
    }

    private func insert(_ machine: ManagedMachine) throws {
        state.withLock { $0.machines[machine.id] = machine }
        try store.put(machine.entry(runtime: name))
    }

    private func make(
        _ id: String, _ creation: ContainerCreation, _ image: MachineImage, _ request: MachineResources.Request?,
        _ size: MachineResources.Size, _ wishes: MachineOptions, from checkpoint: MachineCheckpoint?
    ) async throws -> ManagedMachine {
        let final = MachineBundle(id: id, root: options.root, state: options.state)
        // Under its own name only once it is whole.
        let draft = MachineBundle(directory: Self.draft(final.directory), runDirectory: final.runDirectory)
        let config = creation.config
        let mounts = try await RootDirectory.offload {
            try RootDirectory.makeDirectory(draft.directory, mode: 0o700)
            var mounts = try MachineMounts(
                config.mounts, terminationPath: config.annotations[MachineMapping.terminationPath],
                staging: final.staging, kind: HostFileKinds.kind)
            try checkpoint?.check(mounts)
            for directory in mounts.missing { try RootDirectory.makeDirectory(directory, mode: 0o755) }
            try HostFileKinds.resolve(&mounts.shares)
            for file in mounts.staged {
                try HostFileKinds.stage(file.source, at: draft.staging + "/" + file.subPath, readOnly: file.readOnly)
            }
            return mounts
        }
        let address = try await RootDirectory.offload { [addresses, options] in
            // Virtualization.framework goes on in the very machine that was saved only, its network card with it.
            guard options.engine == .apple, let saved = checkpoint?.hardwareAddress else {
                return try addresses.take(for: id)
            }
            try addresses.take(saved, for: id)
            return saved
        }
        var disks: [MachineConfig.Disk] = []
        for (index, disk) in (checkpoint?.disks ?? image.disks).enumerated() {
            // The first is the one the guest starts from. A machine that goes on finds its disk as it was.
            var clone = try await images.clone(
                disk, to: "\(draft.directory)/disk\(index)",
                size: index == 0 && checkpoint == nil ? wishes.diskBytes : nil)
            clone.path = Self.moved(clone.path, from: draft.directory, to: final.directory)
            disks.append(clone)
        }
        var input = MachineMapping.Input(
            id: id, creation: creation, image: image, disks: disks, boot: wishes.boot(image.boot), mounts: mounts,
            namespace: creation.sandbox.namespace, hardwareAddress: address, size: size, wishes: wishes,
            readinessTimeout: options.readinessTimeout)
        (input.dialTimeout, input.keyExchanges) = (options.dialTimeout, options.keyExchanges)
        input.bridge = bridge(for: creation.sandbox.record)
        input.isBehindHost = options.engine.givesAddresses
        input.hosts = try await RootDirectory.offload {
            let text = try mounts.hostsFile.flatMap { try RootDirectory.read($0) }
            return text.map { MachineMounts.hosts(in: String(decoding: $0, as: UTF8.self)) } ?? []
        }
        let boot = checkpoint.map { MachineBoot.saved($0.record.config.boot, in: $0.directory, image: image.boot) }
        input.boot = try await MachineBoot.make(
            boot ?? wishes.boot(image.boot), in: draft.directory, as: final.directory)
        let machine = try place(input, inSandbox: creation.sandbox.id, from: checkpoint)
        let record = MachineContainerRecord(
            sandboxID: creation.sandbox.id, createdAt: Timestamps.now(),
            container: ContainerRecord(creation, imageID: image.id), resources: request)
        try await RootDirectory.offload {
            try draft.write(machine, to: draft.config)
            try draft.write(record, to: draft.container)
            try Self.rename(draft.directory, to: final.directory)
        }
        return ManagedMachine(bundle: final, config: machine, record: record)
    }

    /// Gives the machine its number and ports among those of its pod, and keeps them for it until it is made: several
    /// machines of a pod may be in the making.
    private func place(
        _ input: MachineMapping.Input, inSandbox sandboxID: String, from checkpoint: MachineCheckpoint?
    ) throws -> MachineConfig {
        try state.withLock { state in
            let living = state.machines.values.filter { $0.record.sandboxID == sandboxID && !$0.gone.isOpen }
            let promised = state.promised.values.filter { $0.sandboxID == sandboxID }
            let others = living.map(\.config.network) + promised.map(\.network)
            var input = input
            input.index = Self.freeIndex(beside: others)
            input.takenPorts = Set(others.flatMap(\.guestPorts))
            var config = try MachineMapping.config(input)
            try checkpoint?.apply(to: &config)
            state.promised[input.id] = PromisedPlace(sandboxID: sandboxID, network: config.network)
            return config
        }
    }

    private static func size(
        of checkpoint: MachineCheckpoint, _ size: MachineResources.Size, _ request: MachineResources.Request?
    ) throws -> MachineResources.Size {
        try checkpoint.check(size, request)
        return .init(cpus: checkpoint.record.config.cpus, memoryBytes: checkpoint.record.config.memoryBytes)
    }

    /// The lowest number that no machine of the pod has which still lives.
    private static func freeIndex(beside others: [MachineConfig.Network]) -> Int {
        let taken = Set(others.map(\.index))
        return (0...).first { !taken.contains($0) }!
    }
}
