import FoundationEssentials
import HostFiles

/// A Mac as the programs that install one leave it: a directory with its disk, its auxiliary storage, and the hardware model
/// they belong to. Apple's own samples, macosvm, Tart and Agoda's images have the same three under names of their own.
public struct MacBundle: Sendable, Hashable {
    /// Absolute, or relative to the working directory as the bundle's own path.
    public var disk: String
    public var auxiliaryStorage: String
    public var hardwareModel: MacHardwareModel
    /// What it was made with, where that is written down.
    public var cpus: Int?
    public var memoryBytes: Int64?

    private static let disks = ["disk.img", "Disk.img"]
    private static let storages = ["aux.img", "AuxiliaryStorage", "nvram.bin"]
    private static let models = ["HardwareModel"]
    private static let descriptions = ["config.json", "vm.json"]

    public init(
        disk: String, auxiliaryStorage: String, hardwareModel: MacHardwareModel, cpus: Int? = nil,
        memoryBytes: Int64? = nil
    ) {
        self.disk = disk
        self.auxiliaryStorage = auxiliaryStorage
        self.hardwareModel = hardwareModel
        self.cpus = cpus
        self.memoryBytes = memoryBytes
    }

    /// Finds out what a directory has. Blocks.
    ///
    /// - Parameters:
    ///   - disk, auxiliaryStorage, hardwareModel: in the place of the directory's.
    /// - Throws: `notFound`, or `invalidArgument` with everything that is missing.
    public static func read(
        _ directory: String, disk: String? = nil, auxiliaryStorage: String? = nil,
        hardwareModel: MacHardwareModel? = nil
    ) throws -> MacBundle {
        guard FilePlaces.isDirectory(directory) else {
            throw VMImageError(.notFound, "there is no macOS bundle \(directory): name the directory of its files")
        }
        func file(_ names: [String]) -> String? { names.map { "\(directory)/\($0)" }.first(where: FilePlaces.exists) }
        let description = try file(descriptions).map(Description.init)
        if let system = description?.os, system != "darwin" {
            throw VMImageError(.invalidArgument, "\(directory) is no macOS guest: it says that it is one of \(system)")
        }
        let model = try hardwareModel ?? file(models).map(MacHardwareModel.init(file:)) ?? description?.model
        let (disk, storage) = (disk ?? file(disks), auxiliaryStorage ?? file(storages))
        guard let disk, let storage, let model else {
            var missing: [String] = []
            if disk == nil { missing.append("its disk (\(disks[0]))") }
            if storage == nil { missing.append("its auxiliary storage (\(storages.joined(separator: ", ")))") }
            if model == nil {
                missing.append(
                    "its hardware model (\(models[0]), or hardwareModel in \(descriptions.joined(separator: " or ")))")
            }
            throw VMImageError(
                .invalidArgument,
                "\(directory) is no whole macOS guest: it lacks \(missing.joined(separator: ", and ")). Files that are "
                    + "elsewhere can be named one by one: --disk, --auxiliary-storage, --hardware-model")
        }
        return MacBundle(
            disk: disk, auxiliaryStorage: storage, hardwareModel: model, cpus: description?.cpus,
            memoryBytes: description?.memoryBytes)
    }

    /// What a file in JSON says, by whichever program.
    private struct Description {
        var os: String?
        var model: MacHardwareModel?
        var cpus: Int?
        var memoryBytes: Int64?

        private struct Members: Decodable {
            var os: String?
            var hardwareModel: String?
            var hardwareModelData: String?
            var cpus: Int?
            var cpuCount: Int?
            var ram: Int64?
            var memorySize: Int64?
        }

        init(_ path: String) throws {
            guard let bytes = try FilePlaces.contents(of: path, limit: 1 << 20) else {
                throw VMImageError(.notFound, "\(path) cannot be read")
            }
            let members: Members
            do {
                members = try JSONDecoder().decode(Members.self, from: Data(bytes))
            } catch {
                throw VMImageError(.invalidArgument, "\(path) does not describe a macOS guest", cause: error)
            }
            os = members.os
            model = try (members.hardwareModel ?? members.hardwareModelData).map {
                try MacHardwareModel(Array($0.utf8), of: path)
            }
            cpus = members.cpus ?? members.cpuCount
            memoryBytes = members.ram ?? members.memorySize
        }
    }
}
