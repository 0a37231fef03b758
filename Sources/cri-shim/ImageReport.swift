import VMImages

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// A VM image as `image ls -o json` and `image inspect` show it.
struct ImageReport: Encodable {
    struct Disk: Encodable {
        var format: String
        var capacityBytes: Int64
        var digest: String
        var path: String?
    }

    struct Boot: Encodable {
        /// `kernel`, `efi` or `mac`.
        var by: String
        var kernel: String?
        var initrd: String?
        var commandLine: String?
        var nvram: String?
        var hardwareModel: String?
        var auxiliaryStorage: String?
    }

    struct Login: Encodable {
        var user: String
        var keyFile: String?
    }

    var id: String
    var names: [String]
    var digests: [String]
    var os: String
    var architecture: String
    var cpus: Int?
    var memoryBytes: Int64?
    var boot: Boot
    var disks: [Disk]
    var login: Login?
    var sizeBytes: Int64
    var importedAt: String
    /// When a machine was last made of it, or it came here.
    var lastUsedAt: String
    var pinned: Bool

    /// - Parameter files: shows paths instead of digests.
    init(_ image: VMImage, files: VMImageFiles? = nil, lastUsed: Int64) {
        id = image.id
        names = image.names
        digests = image.digests
        os = image.config.os.rawValue
        architecture = image.config.architecture
        cpus = image.config.cpus
        memoryBytes = image.config.memoryBytes
        disks = image.config.disks.enumerated().map { index, disk in
            Disk(
                format: disk.format.rawValue, capacityBytes: disk.capacity, digest: disk.digest,
                path: files.map { $0.disks[index].path })
        }
        login = image.config.login.map { Login(user: $0.user, keyFile: $0.keyFile) }
        sizeBytes = image.size
        importedAt = Date(timeIntervalSince1970: Double(image.importedAt / 1_000_000_000)).ISO8601Format()
        lastUsedAt = Date(timeIntervalSince1970: Double(lastUsed / 1_000_000_000)).ISO8601Format()
        pinned = image.isPinned
        boot =
            switch image.config.boot {
            case .kernel(let digest, let initrd, let line):
                Boot(by: image.config.boot.word, kernel: digest, initrd: initrd, commandLine: line)
            case .efi(let variables): Boot(by: image.config.boot.word, nvram: variables)
            case .mac(let model, let storage):
                Boot(by: image.config.boot.word, hardwareModel: model, auxiliaryStorage: storage)
            }
        switch files?.boot {
        case .kernel(let path, let initrd, _): (boot.kernel, boot.initrd) = (path, initrd)
        case .efi(let variables): boot.nvram = variables
        case .mac(let model, let storage): (boot.hardwareModel, boot.auxiliaryStorage) = (model, storage)
        case nil: break
        }
    }

    static func text(_ reports: [ImageReport]) throws -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return String(decoding: try encoder.encode(reports), as: UTF8.self)
    }
}

extension VMImageConfig.Boot {
    var word: String {
        switch self {
        case .kernel: "kernel"
        case .efi: "efi"
        case .mac: "mac"
        }
    }
}
