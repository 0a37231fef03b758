#if canImport(Darwin)
import VZEngine

extension VMSlots {
    /// Apple's kernel runs no more macOS guests at a time, whoever started them.
    static let macOSTotal = 2
    /// What a reservation without further words is for: the guests this host is there for.
    static let standardGuest = MachineConfig.GuestOS.macos
}
#endif
