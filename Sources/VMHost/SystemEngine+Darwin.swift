#if os(macOS)
import Logging
import NIOCore
import VZEngine
import VZEngineApple

/// The engine of this system.
enum SystemEngine {
    static func make(group: any EventLoopGroup, logger: Logger) -> any MachineEngine {
        AppleEngine(
            watching: { interface in
                guard let interface else { return SystemAddressDiscovery.ofSharedNetwork }
                return SystemAddressDiscovery.ofMachine(device: interface, bridge: nil)
            }, group: group, logger: logger)
    }
}
#endif
