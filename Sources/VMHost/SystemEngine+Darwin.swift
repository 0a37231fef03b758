#if os(macOS)
import Logging
import NIOCore
import VZEngine
import VZEngineApple

/// The engine of this system.
enum SystemEngine {
    static func make(group: any EventLoopGroup, logger: Logger) -> any MachineEngine {
        AppleEngine(addresses: { try await NeighbourTable.address(of: $0) }, group: group, logger: logger)
    }
}
#endif
