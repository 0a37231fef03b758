import HostFiles

/// What machines on this host are made of, read from what is on disk about them: the truth that daemon and command line
/// share.
public enum MachineReferences {
    private static let sizeLimit = 4 << 20

    /// Every digest that a machine or a checkpoint needs. Blocks.
    /// - Parameter root: the shim's; `machines` and `checkpoints` are below.
    public static func digests(ofRoot root: String) throws -> Set<String> {
        try digests(in: root + "/machines").union(CheckpointPins(root: root).digests())
    }

    /// Every digest (`sha256:…`) that a machine's bundle names in its JSON files: the image's id, and the parts of paths
    /// into the store. Blocks.
    ///
    /// - Parameter directory: `<root>/machines`.
    static func digests(in directory: String) throws -> Set<String> {
        var digests: Set<String> = []
        for machine in try Directories.names(directory) {
            digests.formUnion(try self.digests(inBundle: "\(directory)/\(machine)"))
        }
        return digests
    }

    /// The same for one machine.
    static func digests(inBundle bundle: String) throws -> Set<String> {
        var digests: Set<String> = []
        for name in try names(bundle) where name.hasSuffix(".json") {
            guard let bytes = try FilePlaces.contents(of: "\(bundle)/\(name)", limit: sizeLimit) else { continue }
            collect(bytes, into: &digests)
        }
        return digests
    }

    private static func names(_ directory: String) throws -> [String] {
        do {
            return try Directories.names(directory)
        } catch  where !FilePlaces.isDirectory(directory) {
            return []
        }
    }

    /// Runs of exactly 64 hexadecimal digits.
    static func collect(_ bytes: [UInt8], into digests: inout Set<String>) {
        var start: Int?
        for (offset, byte) in (bytes + [0]).enumerated() {
            let isHex = (48...57).contains(byte) || (97...102).contains(byte)
            if isHex {
                if start == nil { start = offset }
            } else if let first = start {
                if offset - first == 64 {
                    digests.insert("sha256:" + String(decoding: bytes[first..<offset], as: UTF8.self))
                }
                start = nil
            }
        }
    }
}
