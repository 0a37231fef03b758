import VZEngine

/// The files that a machine starts with and that are its own.
enum MachineBoot {
    static let variables = "nvram"
    static let auxiliaryStorage = "auxiliary-storage"
    static let machineIdentifier = "machine-identifier"

    /// Makes them, of an image's or a checkpoint's.
    ///
    /// A Mac that begins anew has no identifier yet: its supervisor makes one at the first start and keeps it there. One that
    /// goes on has that of the one it was.
    /// - Parameters:
    ///   - directory: where they are made.
    ///   - final: where that directory will be.
    static func make(
        _ boot: MachineConfig.Boot, in directory: String, as final: String
    ) async throws -> MachineConfig.Boot {
        switch boot {
        case .kernel, .efi(.none): return boot
        case .efi(let variables?):
            try await DiskCopy.make(of: variables, at: "\(directory)/\(Self.variables)")
            return .efi(variables: "\(final)/\(Self.variables)")
        case .mac(let model, let identifier, let storage):
            try await DiskCopy.make(of: storage, at: "\(directory)/\(auxiliaryStorage)")
            if !identifier.isEmpty {
                try await DiskCopy.make(of: identifier, at: "\(directory)/\(machineIdentifier)")
            }
            return .mac(
                hardwareModel: model, machineIdentifier: "\(final)/\(machineIdentifier)",
                auxiliaryStorage: "\(final)/\(auxiliaryStorage)")
        }
    }

    /// Keeps them in a checkpoint.
    static func save(_ boot: MachineConfig.Boot, to directory: String) async throws {
        switch boot {
        case .kernel, .efi(.none): break
        case .efi(let variables?): try await DiskCopy.make(of: variables, at: "\(directory)/\(Self.variables)")
        case .mac(_, let identifier, let storage):
            try await DiskCopy.make(of: storage, at: "\(directory)/\(auxiliaryStorage)")
            try await DiskCopy.make(of: identifier, at: "\(directory)/\(machineIdentifier)")
        }
    }

    /// How a checkpoint's machine is started.
    /// - Parameter image: what the machine's image says, which is where it is now.
    static func saved(
        _ boot: MachineConfig.Boot, in directory: String, image: MachineConfig.Boot
    ) -> MachineConfig.Boot {
        switch (boot, image) {
        case (.efi(.some), _): .efi(variables: "\(directory)/\(variables)")
        case (.mac, .mac(let model, _, _)):
            .mac(
                hardwareModel: model, machineIdentifier: "\(directory)/\(machineIdentifier)",
                auxiliaryStorage: "\(directory)/\(auxiliaryStorage)")
        default: boot
        }
    }

    /// What is worth nothing without the machine's disk.
    static func goesWithDisk(_ boot: MachineConfig.Boot) -> [String] {
        if case .mac(_, _, let storage) = boot { [storage] } else { [] }
    }
}
