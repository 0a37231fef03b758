#if os(Linux)
import Logging
import NIOCore
import VZEngine

/// The engine of this system.
enum SystemEngine {
    static func make(group: any EventLoopGroup, logger: Logger) -> any MachineEngine {
        QEMUEngine(group: group, logger: logger)
    }
}
#endif
