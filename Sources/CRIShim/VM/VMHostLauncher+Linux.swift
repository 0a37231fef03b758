#if os(Linux)
import Processes

extension VMHostLauncher {
    #if arch(arm64)
    private static let emulator = "qemu-system-aarch64"
    #else
    private static let emulator = "qemu-system-x86_64"
    #endif

    /// What runs machines here is a program of the system's.
    static func missingEngine() -> String? {
        do {
            _ = try Executables.find(emulator)
            return nil
        } catch {
            return "\(error)"
        }
    }
}
#endif
