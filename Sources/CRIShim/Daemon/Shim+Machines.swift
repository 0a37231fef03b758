import Logging
import NIOCore
import VMImages

/// What virtual machines need of a shim.
extension Shim {
    static func machineImages(
        _ configuration: ShimConfiguration, group: any EventLoopGroup, logger: Logger
    ) throws -> StoreImages {
        // What was given in clear is put where a supervisor can read it.
        let login = try configuration.guestLogin.withFiles(in: configuration.rootDirectory + "/guests")
        let root = configuration.rootDirectory
        let store = ImageStore(directory: root + "/images", logger: logger)
        var images = StoreImages(
            catalog: VMImageCatalog(store: store, root: root, keep: configuration.images.keep),
            credentials: GuestCredentials(profiles: configuration.guests, environment: login))
        // An overlay over what is served is QEMU's.
        if HostEngine.current == .qemu {
            images.servers = ImageServers(
                store: store, root: root, state: configuration.stateDirectory,
                program: configuration.imageServerPath ?? ExecutablePath.current(), logLevel: configuration.logLevel,
                group: group, logger: logger)
        }
        return images
    }

    static func machines(
        _ configuration: ShimConfiguration, store: StateStore, slots: VMSlots, images: any MachineImages,
        instance: String, group: any EventLoopGroup, logger: Logger
    ) -> VMRuntime {
        var options = VMRuntime.Options(
            root: configuration.rootDirectory, state: configuration.stateDirectory, instance: instance)
        options.bridge = configuration.bridgeInterface
        options.readinessTimeout = configuration.guestReadinessTimeout
        options.disk = DiskGuard(
            path: configuration.rootDirectory + "/machines", reserve: configuration.diskReserve, logger: logger)
        options.dialTimeout = configuration.guestDialTimeout
        options.keyExchanges = configuration.guestKeyExchanges
        options.machines = configuration.machines
        let launcher = VMHostLauncher(program: configuration.vmHostPath ?? VMHostLauncher.standardProgram())
        return VMRuntime(
            options: options, store: store, slots: slots, images: images, launcher: launcher, group: group,
            logger: logger)
    }

    static func networks(
        _ configuration: ShimConfiguration, _ root: RootDirectory, logger: Logger
    ) throws -> any SandboxNetworks {
        let settings = NetworkSettings(
            podCIDR: configuration.podCIDR, cniConfDir: configuration.cniConfDirectory,
            cniBinDir: configuration.cniBinDirectory)
        return try SandboxNetworkChoice.make(
            root: root.path, state: configuration.stateDirectory, instance: root.instance, settings: settings,
            logger: logger)
    }
}
