/// What a guest read of its disks until it could be reached, in that order: a hint for who fetches them. A blob of the media
/// type ``mediaType``, here and in a registry.
///
/// ```
/// vzcri boot order 1
/// DISK OFFSET                 one line for each run of 1 MiB: which disk, and where in it
/// ```
struct BootOrder: Sendable, Hashable {
    static let mediaType = "application/vnd.vzcri.vm.boot-order.v1+text"
    static let sizeLimit = 16 << 20
    private static let heading = "vzcri boot order 1"

    struct Run: Sendable, Hashable {
        var disk: Int
        var offset: Int64
    }

    var runs: [Run] = []

    init(runs: [Run] = []) { self.runs = runs }

    var bytes: [UInt8] {
        Array((Self.heading + "\n" + runs.map { "\($0.disk) \($0.offset)\n" }.joined()).utf8)
    }

    /// Lines that make no sense are left out: it is only a hint.
    init(parsing bytes: [UInt8]) {
        let lines = bytes.split(separator: UInt8(ascii: "\n")).map { String(decoding: $0, as: UTF8.self) }
        guard lines.first == Self.heading else { return }
        runs = lines.dropFirst().compactMap { line in
            let words = line.split(separator: " ")
            guard words.count == 2, let disk = Int(words[0]), let offset = Int64(words[1]) else { return nil }
            return Run(disk: disk, offset: offset)
        }
    }
}
