/// What a host has to have for QEMU, for those who look whether it does.
public enum QEMUNeeds {
    /// The emulator of this host's architecture: a name in `PATH`.
    public static var emulator: String { QEMUPlatform.current.emulator }

    /// Where UEFI firmware may be: each its code and what its variables begin as.
    public static var firmware: [(code: String, variables: String)] {
        QEMUPlatform.firmwareDirectories.flatMap { directory in
            QEMUPlatform.current.firmware.map { ("\(directory)/\($0.code)", "\(directory)/\($0.variables)") }
        }
    }

    /// Where virtiofsd may be besides `PATH`.
    public static var shareServers: [String] { ShareServerKind.places }

    /// Runs a tiny guest by KVM, whatever an earlier try said.
    /// - Returns: whether that worked, and why not.
    public static func tryKVM() async -> (isUsable: Bool, reason: String) {
        let outcome = await KVMProbe.run(emulator: emulator, accelerator: "kvm", platform: .current)
        return (outcome.isUsable, outcome.reason)
    }
}
