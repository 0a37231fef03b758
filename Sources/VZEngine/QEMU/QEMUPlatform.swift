/// What differs between the architectures of hosts. Guests have the architecture of their host.
struct QEMUPlatform: Sendable, Hashable {
    enum Architecture: String, Sendable, Hashable { case x86_64, aarch64 }

    var architecture: Architecture

    static let current: QEMUPlatform = {
        #if arch(arm64)
        QEMUPlatform(architecture: .aarch64)
        #else
        QEMUPlatform(architecture: .x86_64)
        #endif
    }()

    var emulator: String { "qemu-system-\(architecture.rawValue)" }

    /// The kind of computer: `pc` starts a kernel fastest; firmware wants the newer one.
    func machine(startsFirmware: Bool) -> String {
        switch architecture {
        case .x86_64: startsFirmware ? "q35,hpet=off,smm=off" : "pc,hpet=off"
        case .aarch64: "virt,gic-version=max"
        }
    }

    /// What a guest's screen is.
    var display: String {
        switch architecture {
        case .x86_64: "VGA"
        case .aarch64: "virtio-gpu-pci"
        }
    }

    /// Where distributions put UEFI firmware: its code, and what its variables are at first.
    var firmware: [(code: String, variables: String)] {
        switch architecture {
        case .x86_64:
            [
                ("OVMF_CODE_4M.fd", "OVMF_VARS_4M.fd"), ("OVMF_CODE.4m.fd", "OVMF_VARS.4m.fd"),
                ("OVMF_CODE.fd", "OVMF_VARS.fd"), ("edk2-x86_64-code.fd", "edk2-i386-vars.fd"),
            ]
        case .aarch64:
            [
                ("AAVMF_CODE.fd", "AAVMF_VARS.fd"), ("QEMU_EFI-pflash.raw", "vars-template-pflash.raw"),
                ("edk2-aarch64-code.fd", "edk2-arm-vars.fd"),
            ]
        }
    }

    static let firmwareDirectories = [
        "/usr/share/OVMF", "/usr/share/AAVMF", "/usr/share/edk2/x64", "/usr/share/edk2/ovmf", "/usr/share/edk2/aarch64",
        "/usr/share/edk2-ovmf/x64", "/usr/share/qemu", "/opt/homebrew/share/qemu", "/usr/local/share/qemu",
    ]
}
