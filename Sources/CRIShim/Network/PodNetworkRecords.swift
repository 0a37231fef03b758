import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Every sandbox's network on disk: `pods/<id>.json` in a directory of its own, so that it stays until the network is
/// undone, whatever becomes of the sandbox's other files. A record is written before what it describes is made and goes
/// after it: the addresses in them are the leases.
struct PodNetworkRecords: Sendable {
    let directory: String

    init(directory: String) throws {
        self.directory = directory + "/pods"
        try RootDirectory.makeDirectory(self.directory, mode: 0o700)
    }

    private func place(_ id: String) -> String { "\(directory)/\(id).json" }

    /// - Throws: `newerRecord`, `corruptRecord`: going on would give addresses twice.
    func load() throws -> [PodNetwork] {
        try RootDirectory.entries(of: directory).compactMap { name in
            guard name.hasSuffix(".json") else {
                // What a crash left of a write.
                try RootDirectory.removeTree(directory + "/" + name)
                return nil
            }
            let place = directory + "/" + name
            guard let bytes = try RootDirectory.read(place) else { return nil }
            return try RecordCoding.decode(PodNetwork.self, schema: PodNetwork.schema, from: bytes, place: place)
        }
    }

    func save(_ network: PodNetwork) async throws {
        let (place, bytes) = (place(network.sandbox), try RecordCoding.encode(network))
        try await RootDirectory.offload { try Self.write(bytes, to: place) }
    }

    func remove(_ id: String) async throws {
        let place = place(id)
        try await RootDirectory.offload {
            guard unlink(place) == 0 || errno == ENOENT else { throw RootDirectory.failure("removing \(place)", errno) }
        }
    }

    /// Blocks.
    static func write(_ bytes: [UInt8], to path: String) throws {
        try AtomicFile.write(bytes, to: path, mode: 0o600)
    }
}
