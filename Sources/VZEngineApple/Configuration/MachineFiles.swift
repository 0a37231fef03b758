import Foundation
import HostFiles
import NIOPosix
import VZEngine
import Virtualization

/// The files of a machine, found and made: what the framework gets has no symbolic links, and an identifier of its own.
struct MachineFiles: Sendable {
    var disks: [MachineConfig.Disk] = []
    var boot: MachineConfig.Boot
    /// What makes this machine another one than its clones.
    var identifier = Data()
    /// What this start has made.
    private var made: [String] = []

    private init(_ boot: MachineConfig.Boot) { self.boot = boot }

    /// Blocks. Leaves nothing when it throws.
    static func prepare(_ config: MachineConfig, in bundle: MachineBundle) throws -> MachineFiles {
        var files = MachineFiles(config.boot)
        do {
            files.disks = try config.disks.map { disk in
                var disk = disk
                disk.path = try real(disk.path, "the disk")
                return disk
            }
            for share in config.shares { try directory(share.source) }
            var identifier = bundle.directory + "/machine-identifier"
            switch config.boot {
            case .kernel(let path, let initrd, let commandLine):
                files.boot = .kernel(
                    path: try real(path, "the kernel"), initrd: try initrd.map { try real($0, "the initial disk") },
                    commandLine: commandLine)
            case .efi(let variables):
                files.boot = .efi(variables: variables ?? bundle.directory + "/efi-variables")
            case .mac(let model, let own, let storage):
                identifier = own
                files.boot = .mac(
                    hardwareModel: try real(model, "the hardware model"), machineIdentifier: own,
                    auxiliaryStorage: try real(storage, "the auxiliary storage"))
            }
            try files.identify(identifier, isMac: config.guestOS == .macos, restoring: config.restoreFrom)
            return files
        } catch {
            files.remove()
            throw error
        }
    }

    /// A machine goes on with the identifier it was saved with; any other gets one when it starts for the first time. It is on
    /// disk before the machine is: no second start gives it another one.
    private mutating func identify(_ path: String, isMac: Bool, restoring state: String?) throws {
        let saved = state.map(Self.identifier(besideState:))
        if let state, !FileManager.default.fileExists(atPath: state) {
            throw VZEngineError(.invalidArgument, "there is no saved state at \(state)")
        }
        for known in [saved, path].compactMap({ $0 }) where FileManager.default.fileExists(atPath: known) {
            identifier = try Self.read(known, "the machine's identifier")
            guard Self.isValid(identifier, isMac: isMac) else {
                throw VZEngineError(
                    .badRecord, "\(known) is no identifier of a machine: remove it, and get another one")
            }
            return known == path ? () : try keep(at: path)
        }
        if let state {
            throw VZEngineError(
                .invalidArgument,
                "the machine saved in \(state) cannot go on: its identifier is neither at \(path) nor beside the state")
        }
        identifier = Self.freshIdentifier(isMac: isMac)
        try keep(at: path)
    }

    private mutating func keep(at path: String) throws {
        if !FileManager.default.fileExists(atPath: path) { made.append(path) }
        try Self.write(identifier, to: path)
    }

    /// Its network card's. The one it was given, or one of its own, the same at every start: a machine that was saved goes on
    /// with no other.
    func hardwareAddress(_ network: MachineConfig.Network) -> HardwareAddress {
        if let given = HardwareAddress(network.macAddress) { return given }
        let hash = identifier.reduce(UInt64(0xcbf2_9ce4_8422_2325)) { ($0 ^ UInt64($1)) &* 0x100_0000_01b3 }
        return HardwareAddress(bytes: [0x52] + (0..<5).map { UInt8(truncatingIfNeeded: hash >> (8 * UInt64($0))) })!
    }

    /// Where a saved state keeps the identifier of its machine.
    static func identifier(besideState path: String) -> String { path + ".identifier" }

    static func isValid(_ identifier: Data, isMac: Bool) -> Bool {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        if isMac { return VZMacMachineIdentifier(dataRepresentation: identifier) != nil }
        #endif
        return VZGenericMachineIdentifier(dataRepresentation: identifier) != nil
    }

    static func freshIdentifier(isMac: Bool) -> Data {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        if isMac { return VZMacMachineIdentifier().dataRepresentation }
        #endif
        return VZGenericMachineIdentifier().dataRepresentation
    }

    /// Removes what a start that failed has made.
    func undo() async {
        // Only a pool that is shut down, and so a process at its end, refuses.
        try? await NIOThreadPool.singleton.runIfActive { remove() }
    }

    private func remove() { for path in made { try? FileManager.default.removeItem(atPath: path) } }

    // MARK: Files. All of this blocks.

    static func real(_ path: String, _ what: String) throws -> String {
        let real = URL(fileURLWithPath: path).resolvingSymlinksInPath().path
        guard path.hasPrefix("/"), FileManager.default.isReadableFile(atPath: real) else {
            throw VZEngineError(.invalidArgument, "\(what) \(path) cannot be read")
        }
        return real
    }

    static func directory(_ path: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory), isDirectory.boolValue else {
            throw VZEngineError(.invalidArgument, "\(path) cannot be shared: it is no directory of this host")
        }
    }

    static func read(_ path: String, _ what: String) throws -> Data {
        do {
            return try Data(contentsOf: URL(fileURLWithPath: path))
        } catch {
            throw VZEngineError(.invalidArgument, "\(what) \(path) cannot be read", cause: error)
        }
    }

    static func write(_ data: Data, to path: String) throws {
        do {
            try AtomicFile.write(Array(data), to: path, mode: 0o600)
        } catch {
            throw VZEngineError(.failed, "cannot write \(path)", cause: error)
        }
    }
}
