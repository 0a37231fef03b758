#if os(Linux)
import Logging
import Proto
import RPC
import Sockets
import Support
import Testing
import VMImages
import VZEngine

@testable import CRIShim

/// Real guests on a bridge, with a real DHCP server behind it, by CRI calls.
@Suite(
    .serialized, .enabled(if: LinuxGuest.canRun, "skipped, because no Linux guest can be made or booted here"),
    .enabled(if: BridgeNetwork.isPossible, BridgeNetwork.skipReason))
struct MachineBridgeTests {
    private static let image = "localhost/linux-guest:latest"

    private static func with(
        _ network: BridgeNetwork, directory: String? = nil, keep: Bool = false,
        _ body: @Sendable @escaping (ShimHarness) async throws -> Void
    ) async throws {
        let guest = try await LinuxGuest.made()
        try await ShimHarness.with(
            docker: .unix(path: "/tmp/no-engine-\(Identifiers.hex(8)).sock"), directory: directory, keep: keep,
            configure: {
                $0.stateDirectory = $0.rootDirectory + "/s"
                $0.bridgeInterface = network.bridge
            }
        ) { shim in
            let store = ImageStore(
                directory: shim.configuration.rootDirectory + "/images", logger: Logger(label: "images"))
            var request = ImageImport(
                name: image, os: .linux, architecture: HostArchitecture.name,
                boot: .kernel(path: guest.kernel, initrd: guest.initrd, commandLine: guest.commandLine),
                disks: [guest.disk])
            request.login = .init(user: guest.user, keyFile: guest.privateKeyFile)
            _ = try store.importImage(request)
            try await body(shim)
        }
    }

    private static func exec(_ id: String, _ shim: ShimHarness, _ command: [String]) async throws
        -> CRI.ExecSyncResponse
    {
        try await shim.client.call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = command
            }, timeout: .seconds(300))
    }

    private static func ended(_ id: String, _ shim: ShimHarness) async throws -> CRI.ContainerStatus {
        try await eventually("the machine ends", within: .seconds(240)) {
            try await shim.status(id).state == .containerExited
        }
        return try await shim.status(id)
    }

    private final class Made: @unchecked Sendable {  // one closure writes, a later one reads
        var sandbox = ""
        var container = ""
        var address = ""
    }

    @Test(.timeLimit(.minutes(10)))
    func `machines one after the other are on the bridge with one lease, by the pod's address, and leave nothing`()
        async throws
    {
        try await BridgeNetwork.with { network in
            try await network.serving(10...17) {
                try await Self.with(network) { shim in
                    var addresses: Set<String> = []
                    for round in 0..<3 {
                        let config = shim.sandboxConfig("pod\(round)")
                        let sandbox = try await shim.runSandbox(config, handler: "vm")
                        #expect(try await shim.sandboxStatus(sandbox).network == nil, "absent until it is known")
                        let id = try await shim.create(
                            "main", in: sandbox, config, image: Self.image,
                            script: "ip -4 -o addr show dev eth0; until [ -e /tmp/go ]; do usleep 50000; done; exit 42")
                        try await shim.start(id)
                        let address = try #require(try await shim.sandboxStatus(sandbox).network?.ip)
                        #expect(network.contains(address, 10...17))
                        #expect(try network.machineDevices().count == 1)
                        _ = try await shim.client.call(
                            CRI.RuntimeService.execSync,
                            .init {
                                $0.containerId = id
                                $0.cmd = ["touch", "/tmp/go"]
                            }, timeout: .seconds(180))
                        let ended = try await Self.ended(id, shim)
                        #expect(ended.exitCode == 42)
                        #expect(try shim.log(ended).contains { $0.contains("inet \(address)/24") })
                        #expect(
                            try await shim.sandboxStatus(sandbox).network?.ip == address,
                            "it stays as long as the sandbox is ready")
                        #expect(try network.machineDevices().isEmpty)
                        addresses.insert(address)
                        _ = try await shim.client.call(
                            CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox },
                            timeout: .seconds(60))
                    }
                    #expect(addresses.count == 1)
                    #expect(try network.leases().count == 1)
                    #expect(try shim.shim.machines.addresses.record().holders.isEmpty)
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `what runs in the pod finds its machine's declared ports at its own localhost`() async throws {
        try await BridgeNetwork.with { network in
            try await network.serving(10...17) {
                try await Self.with(network) { shim in
                    var config = shim.sandboxConfig("ports")
                    config.portMappings = [.init { $0.containerPort = 7070 }]
                    let sandbox = try await shim.runSandbox(config, handler: "vm")
                    let id = try await shim.create(
                        "main", in: sandbox, config, image: Self.image, script: ""
                    ) { $0.command = [] }
                    try await shim.start(id)
                    let namespace = try #require(try shim.shim.machines.machine(id).config.network.namespace)
                    let script = "mkdir -p /www; echo machine > /www/who; httpd -p 7070 -h /www"
                    #expect(try await Self.exec(id, shim, ["sh", "-c", script]).exitCode == 0)
                    try await eventually("it is found", within: .seconds(60)) {
                        try await Support.ChildProcess.run(
                            "/usr/bin/nsenter",
                            ["--net=\(namespace)", "curl", "-sS", "--max-time", "10", "http://127.0.0.1:7070/who"]
                        ).output == "machine\n"
                    }
                }
            }
        }
    }

    @Test(.timeLimit(.minutes(10)))
    func `another address on renewal is followed, outlives the shim, and nothing is left of a killed supervisor`()
        async throws
    {
        try await BridgeNetwork.with { network in
            let made = Made()
            let directory = network.directory + "/shim"
            try await network.serving(10...17) {
                try await Self.with(network, directory: directory, keep: true) { shim in
                    let config = shim.sandboxConfig("moves")
                    made.sandbox = try await shim.runSandbox(config, handler: "vm")
                    made.container = try await shim.create(
                        "main", in: made.sandbox, config, image: Self.image, script: ""
                    ) { $0.command = [] }
                    try await shim.start(made.container)
                    made.address = try #require(try await shim.sandboxStatus(made.sandbox).network?.ip)
                    #expect(try await Self.exec(made.container, shim, ["true"]).exitCode == 0)
                }
            }
            // Another shim, another server: adopted with its address, and then given another.
            try await network.serving(40...47) {
                try await Self.with(network, directory: directory) { shim in
                    #expect(try await shim.sandboxStatus(made.sandbox).network?.ip == made.address)
                    let events = try shim.client.stream(
                        CRI.RuntimeService.getContainerEvents, .init(), timeout: .seconds(300))
                    // Detached: it ends the connection it came by.
                    _ = try await Self.exec(
                        made.container, shim, ["sh", "-c", "(sleep 1; killall -USR1 udhcpc) >/dev/null 2>&1 &"])
                    for try await event in events {
                        let address = event.podSandboxStatus?.network?.ip ?? ""
                        if network.contains(address, 40...47) { break }
                        #expect(address.isEmpty || address == made.address)
                    }
                    let address = try #require(try await shim.sandboxStatus(made.sandbox).network?.ip)
                    #expect(network.contains(address, 40...47))
                    // An emulated guest may not be quick enough to answer at once at its new address.
                    try await eventually("the guest is reached at its new address", within: .seconds(120)) {
                        do {
                            return try await Self.exec(made.container, shim, ["true"]).exitCode == 0
                        } catch let error as RPCError where error.code == .unavailable {
                            return false
                        }
                    }

                    #expect(try network.machineDevices().count == 1)
                    try shim.shim.machines.machine(made.container).supervisor?.kill()
                    let ended = try await Self.ended(made.container, shim)
                    #expect(ended.reason == "SupervisorLost")
                    #expect(try network.machineDevices().isEmpty)
                    #expect(try shim.shim.machines.addresses.record().holders.isEmpty)
                    #expect(try await shim.sandboxStatus(made.sandbox).network?.ip == address)
                }
            }
        }
    }
}
#endif
