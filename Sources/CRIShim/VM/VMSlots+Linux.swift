#if os(Linux)
import VZEngine

extension VMSlots {
    /// macOS guests need Apple's hardware and kernel.
    static let macOSTotal = 0
    /// What a reservation without further words is for: the guests this host is there for.
    static let standardGuest = MachineConfig.GuestOS.linux
}
#endif
