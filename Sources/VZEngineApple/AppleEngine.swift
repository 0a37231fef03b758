public import Logging
public import NIOCore
public import NIOPosix
public import VZEngine

/// Machines by Apple's Virtualization.framework: each one runs in a process of the framework's and dies with this one.
///
/// Built against Apple's module on a Mac, and against the tests' double of it elsewhere.
public struct AppleEngine: MachineEngine {
    /// Finds the address that a guest was given: by its hardware address, on an interface of the host or (nil) on the
    /// framework's own network. Waits for it, but not for ever.
    public typealias AddressDiscovery = @Sendable (_ mac: String, _ interface: String?) async throws -> String

    /// Where this host tells of the addresses on an interface of its own or (nil) on the framework's network.
    public typealias AddressSources = @Sendable (_ interface: String?) -> [any VZEngine.AddressDiscovery]

    private enum Addresses {
        case found(AddressDiscovery)
        case watched(AddressSources)
    }

    private let options: AppleOptions
    private let addresses: Addresses
    private let group: any EventLoopGroup
    private let logger: Logger

    /// - Parameter addresses: knows where every guest is. They stay there.
    public init(
        _ options: AppleOptions = AppleOptions(), addresses: @escaping AddressDiscovery,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = Logger(label: "vz")
    ) {
        self.init(options, .found(addresses), group, logger)
    }

    /// - Parameter sources: where the guests' addresses are looked for as long as they live.
    public init(
        _ options: AppleOptions = AppleOptions(), watching sources: @escaping AddressSources,
        group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton, logger: Logger = Logger(label: "vz")
    ) {
        self.init(options, .watched(sources), group, logger)
    }

    private init(_ options: AppleOptions, _ addresses: Addresses, _ group: any EventLoopGroup, _ logger: Logger) {
        self.options = options
        self.addresses = addresses
        self.group = group
        self.logger = logger
    }

    public func start(_ config: MachineConfig, in bundle: MachineBundle) async throws -> any Machine {
        try AppleChecks.check(config)
        var logger = logger
        logger[metadataKey: "machine"] = "\(config.id.prefix(16))"
        let files = try await NIOThreadPool.singleton.runIfActive { try MachineFiles.prepare(config, in: bundle) }
        let console: ConsolePipe
        do {
            console = try await ConsolePipe.open(group)
        } catch {
            await files.undo()
            throw error
        }
        let machine = AppleMachine(
            config, files: files, console: console, addresses: finder(config, files, logger), options: options,
            logger: logger)
        try await machine.start()
        return machine
    }

    private func finder(_ config: MachineConfig, _ files: MachineFiles, _ logger: Logger) -> AddressFinder {
        let card = files.hardwareAddress(config.network)
        let interface = config.network.mode == .bridged ? config.network.interface : nil
        return switch addresses {
        case .found(let find): AddressFinder(find, card.description, interface)
        case .watched(let sources): AddressFinder(watching: sources(interface), for: card, logger: logger)
        }
    }
}
