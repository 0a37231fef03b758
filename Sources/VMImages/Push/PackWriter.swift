import NIOConcurrencyHelpers

/// A pack that is being written. One thread at a time uses it.
///
/// `@unchecked`: its user waits for each step before the next.
final class PackWriter: @unchecked Sendable {
    let file: OpenFile
    private let hash = SHA256()
    private(set) var size: Int64 = 0

    init(_ path: String) throws { file = try OpenFile.creating(path) }

    /// - Returns: where it is in the pack.
    func add(_ bytes: UnsafeRawBufferPointer) throws -> Int64 {
        defer { size += Int64(bytes.count) }
        hash.update(bytes)
        try file.write(bytes, at: size)
        return size
    }

    func finish() -> PackIndex.Pack { .init(digest: "sha256:" + hash.finish(), size: size) }
}
