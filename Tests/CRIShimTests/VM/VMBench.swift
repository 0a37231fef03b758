import Logging
import NIOPosix
import Proto
import Support
import Testing
import VZEngine

@testable import CRIShim

/// Images without a store.
struct FakeImages: MachineImages {
    func machineRemoved() async {}

    func machineImage(_ reference: String, annotations: [String: String]) async throws -> MachineImage? {
        let id = "sha256:" + String(repeating: "a", count: 64)
        guard reference == "localhost/guest:1" || reference == id else { return nil }
        return MachineImage(
            id: id,
            boot: .kernel(path: "/nowhere/vmlinuz", initrd: nil, commandLine: "quiet"),
            disks: [.init(path: "/nowhere/disk", format: .raw)],
            credentials: .init(user: "root", keyFile: "/nowhere/key"))
    }

    func clone(_ disk: MachineConfig.Disk, to path: String, size: Int64?) async throws -> MachineConfig.Disk {
        try RootDirectory.makeDirectory(path + ".raw", mode: 0o700)
        try RootDirectory.removeTree(path + ".raw")
        try HostFileKinds.copy("/dev/null", to: path + ".raw")
        return .init(path: path + ".raw", format: .raw)
    }
}

/// A VM runtime over fake supervisors, with a store and a directory of its own.
struct VMBench: Sendable {
    let directory: String
    let store: StateStore
    let slots: VMSlots
    let supervisors: FakeSupervisors
    let runtime: VMRuntime

    static func with(
        slots: Int = 4, logger: Logger? = nil, configure: (inout VMRuntime.Options) -> Void = { _ in },
        images: (String) throws -> any MachineImages = { _ in FakeImages() },
        _ body: (VMBench) async throws -> Void
    ) async throws {
        let log = RecordingLog()
        let recent: @Sendable () -> [String] = { log.lines.suffix(40) }
        try await withTemporaryDirectory { directory in
            let bench = VMBench(
                directory: directory, slots: slots, supervisors: .init(), images: try images(directory),
                logger: logger ?? log.logger, configure: configure)
            do {
                try await Diagnostics.showing(recent) { try await body(bench) }
                await bench.supervisors.endAll()
                await bench.runtime.shutDown()
            } catch {
                for line in recent() { print("  \(line)") }
                await bench.supervisors.endAll()
                await bench.runtime.shutDown()
                throw error
            }
        }
    }

    init(
        directory: String, slots count: Int, supervisors: FakeSupervisors, images: any MachineImages = FakeImages(),
        logger given: Logger? = nil,
        configure: (inout VMRuntime.Options) -> Void = { _ in }
    ) {
        self.directory = directory
        self.supervisors = supervisors
        store = StateStore()
        var options = VMRuntime.Options(
            root: directory + "/r", state: directory + "/s", instance: "0123456789abcdef0123456789abcdef")
        options.startLimit = .seconds(20)
        options.stopLimit = .seconds(5)
        options.host = .init(cpus: 4, memoryBytes: 8 << 30)
        configure(&options)
        slots = VMSlots(linux: count, engine: options.engine)
        var logger = given ?? Logger(label: "vm")
        if given == nil { logger.logLevel = .critical }
        runtime = VMRuntime(
            options: options, store: store, slots: slots, images: images, launcher: supervisors,
            group: MultiThreadedEventLoopGroup.singleton, logger: logger)
    }

    /// Another shim over the same files, after the first has gone.
    func restarted(sandboxes: [SandboxEntry]) async throws -> VMBench {
        await runtime.shutDown()
        let total = slots.snapshot.total(.linux)
        let next = VMBench(directory: directory, slots: total, supervisors: supervisors)
        for sandbox in sandboxes { try next.store.put(sandbox) }
        try await next.runtime.adopt()
        return next
    }

    func sandbox(_ change: (inout SandboxRecord) -> Void = { _ in }) throws -> SandboxEntry {
        var record = SandboxRecord()
        record.id = Identifiers.sandbox()
        record.phase = .ready
        record.handler = "vm"
        record.hasOwnNetwork = true
        change(&record)
        var entry = SandboxEntry(record: record)
        entry.ownNamespace = "/some/netns"
        entry.addresses = ["10.1.2.3"]
        try store.put(entry)
        return entry
    }

    func create(
        in sandbox: SandboxEntry, name: String = "main", _ change: (inout CRI.ContainerConfig) -> Void = { _ in }
    ) async throws -> String {
        let config = CRI.ContainerConfig {
            $0.metadata = .init { $0.name = name }
            $0.image = .init { $0.image = "localhost/guest:1" }
            $0.command = ["/bin/job"]
            $0.args = ["a b"]
            change(&$0)
        }
        return try await runtime.createContainer(
            ContainerCreation(sandbox: sandbox, config: config, logPath: directory + "/log"))
    }

    func container(_ id: String) throws -> ContainerEntry { try store.container(id) }

    func start(_ id: String) async throws { try await runtime.startContainer(container(id)) }
    func stop(_ id: String, _ timeout: Int64) async throws {
        try await runtime.stopContainer(container(id), timeout: timeout)
    }
    func remove(_ id: String) async throws { try await runtime.removeContainer(container(id)) }

    func supervisor(_ id: String) throws -> FakeSupervisor {
        guard let supervisor = supervisors[id] else { throw ShimError(.notFound, "no supervisor of \(id)") }
        return supervisor
    }

    var bundles: [String] { (try? RootDirectory.entries(of: directory + "/r/machines")) ?? [] }
    var runDirectories: [String] { (try? RootDirectory.entries(of: directory + "/s/m")) ?? [] }

    func ended(_ id: String) async throws -> ContainerEntry {
        try await eventually("container \(id.prefix(8)) ends") { try container(id).phase == .exited }
        return try container(id)
    }
}
