import HostFiles
public import Logging
public import NIOCore
public import NIOPosix
import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Machines by QEMU: each one a process of its own, and one more for every directory it shares. All of them are children
/// of this process and die with it.
public struct QEMUEngine: MachineEngine {
    private let options: QEMUOptions
    private let group: any EventLoopGroup
    private let logger: Logger

    public init(
        _ options: QEMUOptions = QEMUOptions(), group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton,
        logger: Logger = Logger(label: "qemu")
    ) {
        self.options = options
        self.group = group
        self.logger = logger
    }

    public func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        try QEMUChecks.check(config)
        var logger = logger
        logger[metadataKey: "machine"] = "\(config.id.prefix(16))"
        let host = try await prepare(config, bundle, logger)
        var ports: Set<Int> = []
        while true {
            let sshPort = try FreePort.find()
            ports.insert(sshPort)
            do {
                return try await QEMULaunch(
                    config: config, bundle: bundle, options: options, host: host, sshPort: sshPort, group: group,
                    logger: logger
                ).run()
            } catch let conflict as PortConflict {
                // Somebody was faster to the port that was free a moment ago; the others are the pod's own.
                guard conflict.port == sshPort, ports.count < 5 else { throw conflict.error }
            }
        }
    }

    /// What does not change between attempts.
    private func prepare(_ config: MachineConfig, _ bundle: MachineBundle, _ logger: Logger) async throws -> QEMUHost {
        do {
            try await NIOThreadPool.singleton.runIfActive { try Directories.make(bundle.runDirectory, mode: 0o700) }
            let emulator = try Executables.find(options.emulator ?? QEMUPlatform.current.emulator)
            var host = QEMUHost(emulator: emulator, accelerator: .tcg)
            if let accelerator = options.accelerator {
                host.accelerator = accelerator
            } else if await KVMProbe.isUsable(emulator: emulator, file: options.probeFile, logger: logger) {
                host.accelerator = .kvm
            }
            if config.nestedVirtualization == true {
                host.nesting = try await NIOThreadPool.singleton.runIfActive { [accelerator = host.accelerator] in
                    try Nesting.find(accelerator, .current)
                }
            }
            if case .efi(let variables) = config.boot {
                host.firmware = try await QEMUFirmware.prepare(
                    variables: variables ?? bundle.directory + "/efi-variables", in: options.firmwareDirectories)
            }
            if !config.shares.isEmpty { host.shareServer = try await ShareServerKind.find(options.shareServer) }
            return host
        } catch let error as VZEngineError {
            throw error
        } catch is CancellationError {
            throw CancellationError()
        } catch {
            throw VZEngineError(.startFailed, "the machine \(config.id.prefix(16)) cannot be started", cause: error)
        }
    }
}

/// What a host has for a machine.
struct QEMUHost: Sendable {
    var emulator: String
    var accelerator: QEMUOptions.Accelerator
    /// What lets the guest run machines of its own; nil: it may not.
    var nesting: Nesting?
    var firmware: QEMUArguments.Firmware?
    var shareServer: ShareServerKind?
}

/// A port that QEMU could not listen on.
struct PortConflict: Error, Equatable {
    var transport: String
    var port: Int

    /// - Parameter errors: QEMU's, which name the rule: `… host forwarding rule 'tcp:0.0.0.0:8080-:8080'`.
    init?(errors: String) {
        guard let found = errors.firstRange(of: "host forwarding rule '") else { return nil }
        let rule = errors[found.upperBound...].prefix { $0 != "'" }
        let parts = rule.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count >= 3, let port = Int(parts[2].prefix { $0 != "-" }) else { return nil }
        self.transport = String(parts[0])
        self.port = port
    }

    var error: VZEngineError {
        VZEngineError(
            .portInUse,
            "the virtual machine declares \(transport) port \(port), which another container of the pod listens on "
                + "already: they share one address, so give one of them another port")
    }
}

/// Refuses what QEMU could only fail at later, or would take for something else.
enum QEMUChecks {
    static func check(_ config: MachineConfig) throws {
        func refuse(_ message: String) -> VZEngineError { VZEngineError(.invalidArgument, message) }
        let isMac = if case .mac = config.boot { true } else { config.guestOS == .macos }
        guard !isMac else {
            throw refuse("a macOS guest runs by Virtualization.framework on a Mac only; this is QEMU")
        }
        guard config.cpus >= 1 else { throw refuse("a machine needs a processor: \(config.cpus) were asked for") }
        guard config.memoryBytes >= 32 << 20 else {
            throw refuse("a machine needs 32 MiB of memory at least: \(config.memoryBytes) bytes were asked for")
        }
        if case .efi = config.boot, config.disks.isEmpty { throw refuse("firmware has no disk to start from") }
        var tags: Set<String> = []
        for share in config.shares {
            let letters = share.tag.utf8.allSatisfy { byte in
                byte == UInt8(ascii: "-") || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte
                    || UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
            }
            guard letters, !share.tag.isEmpty, share.tag.utf8.count <= 36, tags.insert(share.tag).inserted else {
                throw refuse(
                    "the share \"\(share.tag)\" needs a name of its own: up to 36 letters, digits and dashes")
            }
            var status = stat()
            guard stat(share.source, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                throw refuse("\(share.source) cannot be shared: it is no directory of this host")
            }
            guard share.isResolved == true else { continue }
            do {
                _ = try DirectoryHandle.openResolved(share.source)
            } catch {
                throw VZEngineError(.invalidArgument, "\(share.source) cannot be shared", cause: error)
            }
        }
        for port in config.network.guestPorts where !(1...65535).contains(port.number) {
            throw refuse("\(port.number) is no port")
        }
        let mac = config.network.macAddress
        guard mac.isEmpty || HardwareAddress(mac)?.isGroup == false else {
            throw refuse("\(mac) is no hardware address")
        }
        if config.restoreFrom != nil, !config.shares.isEmpty {
            throw refuse("a machine that was saved has no shared directories: QEMU cannot save them")
        }
        if config.network.mode == .nat {
            throw refuse("QEMU's machines share their pod's address, or have one on a bridge")
        }
        if config.network.mode == .bridged, config.network.interface == nil {
            throw refuse("a bridged network needs the name of a bridge")
        }
        if config.network.mode == .bridged, mac.isEmpty {
            throw refuse("a machine on a bridge needs a hardware address, by which its address is found")
        }
    }
}
