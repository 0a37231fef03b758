import HostFiles

/// Where the store's files are.
///
/// ```
/// index.json           which images there are, and their names; the only file that changes
/// blobs/sha256/HEX     manifests, configs, kernels, initrds, NVRAM files, disk indexes
/// disks/sha256/HEX     disks, sparse, by the digest of their index
/// staging/RANDOM/      an import under way; its `lock` is held
/// leases/RANDOM        the id of an image that must stay; held as long as it must
/// used/HEX             empty; its time says when the image with this id was last used
/// lock                 held for each change
/// ```
struct StoreLayout: Sendable {
    /// `<root>/images`
    let directory: String

    var index: String { directory + "/index.json" }
    var lock: String { directory + "/lock" }
    var blobs: String { directory + "/blobs/sha256" }
    var disks: String { directory + "/disks/sha256" }
    var staging: String { directory + "/staging" }
    var leases: String { directory + "/leases" }
    var uses: String { directory + "/used" }

    func blob(_ digest: String) -> String { "\(blobs)/\(Self.hex(digest))" }
    func disk(_ digest: String) -> String { "\(disks)/\(Self.hex(digest))" }

    /// Makes what is missing. Blocks.
    func make() throws {
        for path in [blobs, disks, staging, leases, uses] { try Directories.make(path, mode: 0o700) }
    }

    static func hex(_ digest: String) -> String {
        digest.hasPrefix("sha256:") ? String(digest.dropFirst(7)) : digest
    }

    static func randomName() -> String {
        let number = UInt64.random(in: 0...UInt64.max)
        let text = String(number, radix: 16)
        return String(repeating: "0", count: 16 - text.count) + text
    }
}
