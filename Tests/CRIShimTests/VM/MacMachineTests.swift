#if canImport(Clonefile)
import Clonefile
import Foundation
import Logging
import Proto
import RPC
import Support
import Synchronization
import Testing
import VMImages
import VZEngine

@testable import CRIShim

/// macOS guests as far as they are the shim's, on a host that runs machines by Virtualization.framework; their supervisors
/// are played.
@Suite("A macOS guest of a pod", .timeLimit(.minutes(3)))
struct MacMachineTests {
    private static let disk = Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 / 251) })

    /// The store of a bench with the image of a Mac in it.
    private static func images(
        _ directory: String, _ engine: HostEngine, _ sharing: BlockSharing
    ) throws -> StoreImages {
        let files = directory + "/mac"
        try FileManager.default.createDirectory(atPath: files, withIntermediateDirectories: true)
        for (name, data) in [("disk.img", disk), ("aux.img", Data("aux".utf8)), ("HardwareModel", Data("m".utf8))] {
            try data.write(to: URL(filePath: files + "/" + name))
        }
        let store = ImageStore(directory: directory + "/r/images", logger: Logger(label: "test"))
        _ = try store.importImage(ImageImport(name: "localhost/guest:1", macOS: try MacBundle.read(files)))
        var images = StoreImages(
            catalog: VMImageCatalog(store: store, root: directory + "/r"),
            credentials: GuestCredentials(profiles: [], environment: GuestLogin(user: "admin")))
        (images.engine, images.sharing) = (engine, sharing)
        return images
    }

    private static let shared = BlockSharing.clonefile(ClonefileDouble(copies: true).call)

    private func with(
        _ engine: HostEngine = .apple, _ sharing: BlockSharing = shared, _ body: (VMBench) async throws -> Void
    ) async throws {
        try await VMBench.with(
            configure: { $0.engine = engine }, images: { try Self.images($0, engine, sharing) }, body)
    }

    /// As its supervisor does when it starts for the first time.
    private func identify(_ config: MachineConfig, _ text: String) throws {
        guard case .mac(_, let identifier, _) = config.boot else { return }
        try Data(text.utf8).write(to: URL(filePath: identifier), options: .withoutOverwriting)
    }

    private func text(_ path: String) throws -> String { try String(contentsOfFile: path, encoding: .utf8) }

    private func expectNothing(_ bench: VMBench, _ location: SourceLocation = #_sourceLocation) throws {
        #expect(bench.bundles.isEmpty, sourceLocation: location)
        #expect(bench.runDirectories.isEmpty, sourceLocation: location)
        #expect(bench.slots.snapshot.free(.macos) == 2, sourceLocation: location)
        #expect(try bench.runtime.addresses.record().holders.isEmpty, sourceLocation: location)
    }

    @Test("it is a clone of the image's disk and auxiliary storage, and a Mac of its own (C13)")
    func create() async throws {
        try await with { bench in
            let sandbox = try bench.sandbox()
            var configs: [MachineConfig] = []
            for name in ["a", "b"] {
                let id = try await bench.create(in: sandbox, name: name)
                let machine = try bench.runtime.machine(id)
                let (config, own) = (machine.config, machine.bundle.directory + "/")
                #expect(config.guestOS == .macos)
                #expect(config.credentials.user == "admin")
                #expect(config.display == .init(width: 1920, height: 1200, pixelsPerInch: 80))
                #expect(config.disks.map(\.format) == [.raw])
                #expect(config.disks[0].path.hasPrefix(own))
                #expect(try Data(contentsOf: URL(filePath: config.disks[0].path)) == Self.disk)
                guard case .mac(let model, let identifier, let storage) = config.boot else {
                    Issue.record("\(config.boot)")
                    continue
                }
                #expect(model.hasPrefix(bench.directory + "/r/images/"))
                #expect(try text(model) == "m")
                #expect(storage.hasPrefix(own))
                #expect(try text(storage) == "aux")
                // Its supervisor makes it.
                #expect(identifier.hasPrefix(own))
                #expect(!FileManager.default.fileExists(atPath: identifier))
                configs.append(config)
            }
            #expect(configs[0].network.macAddress != configs[1].network.macAddress)
            // Apple's kernel runs no third one.
            let error = await #expect(throws: ShimError.self) { _ = try await bench.create(in: sandbox, name: "c") }
            #expect(error?.code == .exhausted)
            #expect(error?.message.hasPrefix("WaitingForVMSlot:") == true)
            #expect(bench.bundles.count == 2)
        }
    }

    @Test("what it has of its own stays as it is over a restart of the shim, and goes with its end and its removal")
    func life() async throws {
        try await with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox)
            let config = try bench.runtime.machine(id).config
            try await bench.start(id)
            try identify(config, "one")
            let next = try await bench.restarted(sandboxes: [sandbox])
            #expect(try next.runtime.machine(id).config == config)
            guard case .mac(_, let identifier, let storage) = config.boot else { return }
            #expect(try text(identifier) == "one")
            try await next.stop(id, 0)
            #expect(try await next.ended(id).exitCode == 137)
            try await eventually("its disk goes") { !FileManager.default.fileExists(atPath: config.disks[0].path) }
            #expect(!FileManager.default.fileExists(atPath: storage))
            try await next.remove(id)
            #expect(next.bundles.isEmpty)
            await next.runtime.shutDown()
        }
    }

    @Test("it has an address of its own, which is its pod's, also when that changes")
    func address() async throws {
        try await with { bench in
            func address(_ sandbox: SandboxEntry) throws -> String? {
                try bench.store.sandbox(sandbox.id).status.network?.ip
            }
            #expect(bench.runtime.options.givesAddresses)
            let sandbox = try bench.sandbox { $0.hasGuestAddress = true }
            let id = try await bench.create(in: sandbox)
            let config = try bench.runtime.machine(id).config
            #expect(config.network.mode == .nat && config.network.interface == nil)
            #expect(config.network.podAddress == "127.0.0.1", "where the pod's other ports are brought to")
            #expect(try address(sandbox) == nil)
            try identify(config, "own")
            try await bench.start(id)
            // It is on the host's networks.
            #expect(bench.supervisors.launches.withLock { $0.map(\.namespace) } == [nil])
            try bench.supervisor(id).move(to: "192.168.64.7")
            try await eventually("the address is the pod's") { try address(sandbox) == "192.168.64.7" }
            try bench.supervisor(id).move(to: "192.168.64.9")
            try await eventually("and the next one is") { try address(sandbox) == "192.168.64.9" }
        }
    }

    @Test("where QEMU runs the machines it is refused, with what to do")
    func onQEMU() async throws {
        try await with(.qemu) { bench in
            let error = await #expect(throws: ShimError.self) { _ = try await bench.create(in: try bench.sandbox()) }
            #expect(error?.code == .unsupported)
            #expect(error?.rpcError.code == .unimplemented)
            #expect(error?.message.contains("kubernetes.io/os: darwin") == true)
            #expect(bench.bundles.isEmpty)
        }
    }

    @Test("a failure leaves no clone, no storage, no place and no address")
    func failures() async throws {
        try await with { bench in
            let sandbox = try bench.sandbox()
            let small = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox) { $0.annotations = [MachineOptions.diskSize: "4Ki"] }
            }
            #expect(small?.code == .invalidArgument)
            try expectNothing(bench)
            // The storage comes after the disk.
            let image = try #require(
                try await bench.runtime.images.machineImage("localhost/guest:1", annotations: [:]))
            guard case .mac(_, _, let storage) = image.boot else { return }
            try FileManager.default.removeItem(atPath: storage)
            await #expect(throws: (any Error).self) { _ = try await bench.create(in: sandbox) }
            try expectNothing(bench)
        }
        let cannot = BlockSharing.clonefile { _, _, _ in
            errno = ENOTSUP
            return -1
        }
        try await with(.apple, cannot) { bench in
            let error = await #expect(throws: ShimError.self) { _ = try await bench.create(in: try bench.sandbox()) }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains("APFS") == true, "no overlay, which the framework could not read")
            try expectNothing(bench)
        }
    }

    @Test("a disk that the framework cannot read is refused before anything is made")
    func format() async throws {
        try await VMBench.with(configure: { $0.engine = .apple }) { bench in
            let image = MachineImage(
                id: "x", boot: .efi(variables: nil), disks: [.init(path: "/d", format: .qcow2)],
                credentials: .init(user: "u"))
            let error = #expect(throws: ShimError.self) { try HostEngine.apple.check(image, "x") }
            #expect(error?.message.contains("qemu-img convert") == true)
            #expect(bench.bundles.isEmpty)
        }
    }

    @Test("from a checkpoint the same Mac goes on, with its storage and its card; not while it lives itself")
    func checkpoint() async throws {
        try await with { bench in
            let sandbox = try bench.sandbox()
            let id = try await bench.create(in: sandbox) {
                $0.command = []
                $0.args = []
            }
            let config = try bench.runtime.machine(id).config
            try await bench.start(id)
            try identify(config, "one")
            guard case .mac(_, _, let storage) = config.boot else { return }
            try Data("later".utf8).write(to: URL(filePath: storage))
            let place = bench.directory + "/checkpoint"
            try await bench.runtime.checkpoint(bench.container(id), to: place, timeout: 30)
            #expect(
                try RootDirectory.entries(of: place).sorted() == [
                    "auxiliary-storage", "checkpoint.json", "disk0", "machine-identifier", "state",
                ])
            func restore() async throws -> String {
                try await bench.create(in: sandbox, name: "restored") { $0.image = .init { $0.image = place } }
            }
            let twin = await #expect(throws: ShimError.self) { _ = try await restore() }
            #expect(twin?.code == .wrongState)
            #expect(twin?.message.contains(String(id.prefix(13))) == true)
            #expect(bench.bundles == [id])
            try await bench.remove(id)

            let restored = try bench.runtime.machine(try await restore()).config
            #expect(restored.restoreFrom == place + "/state")
            #expect(restored.network.macAddress == config.network.macAddress)
            guard case .mac(let model, let identifier, let own) = restored.boot else {
                Issue.record("\(restored.boot)")
                return
            }
            #expect(try text(model) == "m")
            #expect(try text(identifier) == "one")
            #expect(identifier.hasPrefix(bench.directory + "/r/machines/\(restored.id)/"))
            #expect(try text(own) == "later")
            // Another one gets another card.
            let other = try bench.runtime.machine(try await bench.create(in: sandbox, name: "other")).config
            #expect(other.network.macAddress != restored.network.macAddress)
        }
    }

    @Test("machines in machines are refused where the host cannot have them")
    func nesting() async throws {
        // What this host says; CI machines have KVM or not.
        guard let refusal = await HostEngine.qemu.nestingRefusal(logger: Logger(label: "test")) else { return }
        try await VMBench.with { bench in
            let error = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: try bench.sandbox()) { $0.annotations = [MachineOptions.nested: "true"] }
            }
            #expect(error?.code == .unsupported)
            #expect(error?.message.contains(refusal) == true)
            #expect(bench.bundles.isEmpty)
        }
    }
}
#endif
