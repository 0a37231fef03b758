import Foundation
import NIOPosix
public import VZEngine

/// What makes a clone of a Mac's disk a Mac of its own.
public enum MacIdentity {
    /// Makes the files of a new Mac: an identifier that no other has, and a copy of the auxiliary storage that belongs to
    /// the disk. Two Macs with one identifier must not run at the same time.
    ///
    /// - Parameters:
    ///   - hardwareModel: the image's; read only, and so not copied.
    ///   - auxiliaryStorage: the image's.
    ///   - directory: where the new files go; the machine's bundle.
    /// - Throws: `VZEngineError`; leaves nothing then.
    public static func make(
        hardwareModel: String, auxiliaryStorage: String, in directory: String
    ) async throws -> MachineConfig.Boot {
        let storage = directory + "/auxiliary-storage"
        let identifier = directory + "/machine-identifier"
        try await copy(auxiliaryStorage, to: storage)
        do {
            try await NIOThreadPool.singleton.runIfActive {
                try MachineFiles.write(MachineFiles.freshIdentifier(isMac: true), to: identifier)
            }
        } catch {
            try? FileManager.default.removeItem(atPath: storage)
            throw error
        }
        return .mac(hardwareModel: hardwareModel, machineIdentifier: identifier, auxiliaryStorage: storage)
    }

    /// It has a few megabytes: where the file system cannot share them, they are copied.
    private static func copy(_ base: String, to path: String) async throws {
        do {
            _ = try await DiskClone.make(of: base, format: .raw, at: path, method: .reflink)
            return
        } catch let error as VZEngineError where error.code == .failed {
            // It cannot.
        }
        try await NIOThreadPool.singleton.runIfActive {
            do {
                try FileManager.default.copyItem(atPath: base, toPath: path)
                try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: path)
            } catch {
                throw VZEngineError(.failed, "cannot copy \(base) to \(path)", cause: error)
            }
        }
    }
}
