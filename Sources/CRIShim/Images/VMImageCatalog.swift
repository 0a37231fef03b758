import HostFiles
import Logging
import Proto
import VMImages

/// The store of VM images as the CRI sees it. The directory is the truth: what the command line changes shows at the next
/// call.
final class VMImageCatalog: Sendable {
    let store: ImageStore
    /// Where machines and checkpoints say what they need.
    private let root: String
    /// Names of images that no collection removes.
    let keep: KeptImages

    /// - Parameter root: the shim's.
    init(store: ImageStore, root: String, keep: KeptImages = KeptImages()) {
        self.store = store
        self.root = root
        self.keep = keep
    }

    /// As the CRI has it.
    func cri(_ image: VMImage) -> CRI.Image {
        var answer = image.cri
        answer.pinned = keep.reason(image) != nil
        return answer
    }

    /// Says that an image is used now. That this did not work is logged: it is only older than it might be.
    func markUsed(_ id: String) async {
        do {
            try await offload { [store] in try store.markUsed([id]) }
        } catch {
            store.logger.warning(
                "an image's last use could not be noted", metadata: ["image": "\(id)", "error": "\(error)"])
        }
    }

    /// By id or name; nil when it is not here.
    func find(_ reference: String) async throws -> VMImage? {
        try await offload { [store] in try store.resolve(reference) }
    }

    func list() async throws -> [VMImage] {
        try await offload { [store] in try store.list() }
    }

    /// Takes all of the image's names away; its data goes when no machine and no checkpoint needs it.
    /// - Returns: false when there is no such image.
    func remove(_ reference: String) async throws -> Bool {
        try await offload { [store, root] in
            try store.remove(reference, allNames: true) { try MachineReferences.digests(ofRoot: root) } != nil
        }
    }

    /// Removes what nothing needs any more: after a machine was removed, and at start. That this did not work is logged:
    /// it is tried again the next time.
    func collectUnused() async {
        do {
            try await offload { [store, root] in
                _ = try store.collect { try MachineReferences.digests(ofRoot: root) }
            }
        } catch {
            store.logger.warning("unused images could not be removed", metadata: ["error": "\(error)"])
        }
    }

    /// nil when there was never an image.
    func fileSystem() async throws -> CRI.FilesystemUsage? {
        try await offload { [store] in
            let usage = try store.usage()
            guard usage.inodes > 0 else { return nil }
            return .init {
                $0.timestamp = Timestamps.now()
                $0.fsId = .init { $0.mountpoint = store.directory }
                $0.usedBytes = .init { $0.value = usage.bytes }
                $0.inodesUsed = .init { $0.value = usage.inodes }
            }
        }
    }

    private func offload<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
        try await RootDirectory.offload(body)
    }
}

extension VMImage {
    var cri: CRI.Image {
        .init {
            $0.id = id
            $0.repoTags = names
            $0.repoDigests = digests
            $0.size = UInt64(max(1, size))
            $0.username = config.login?.user ?? ""
            $0.spec = .init { spec in
                spec.image = id
                spec.runtimeHandler = RuntimeChoice.Kind.vm.rawValue
            }
        }
    }

    /// For verbose answers.
    var details: [String: String] {
        var members: [(String, JSONText.Value)] = [
            ("id", .text(id)),
            ("runtime", .text(RuntimeChoice.Kind.vm.rawValue)),
            ("os", .text(config.os.rawValue)),
            ("architecture", .text(config.architecture)),
            ("user", .text(config.login?.user ?? "")),
        ]
        if let cpus = config.cpus { members.append(("cpus", .number(cpus))) }
        if let memory = config.memoryBytes { members.append(("memoryBytes", .number(Int(memory)))) }
        switch config.boot {
        case .kernel(_, _, let commandLine):
            members += [("boot", .text("kernel")), ("commandLine", .text(commandLine))]
        case .efi: members.append(("boot", .text("efi")))
        case .mac: members.append(("boot", .text("mac")))
        }
        members.append(("disks", JSONText.array(config.disks.map { "\($0.format.rawValue) \($0.capacity)" })))
        return ["info": JSONText.object(members)]
    }
}
