/// The record beside a log file: which file was written last, and the times at the end of the one before it.
struct LogCursor: Equatable {
    var file: FileFacts.Identity
    var times: [Int64]

    private static let header = "vzcri-log-cursor 1"

    /// - Returns: nil when there is none yet, or when it is no such record: the log itself then says all there is.
    static func load(_ path: String) throws -> LogCursor? {
        guard let bytes = try Files.read(path, limit: 16 << 20) else { return nil }
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n")
        guard lines.count >= 2, lines[0] == header else { return nil }
        let numbers = lines[1].split(separator: " ").compactMap { UInt64($0) }
        guard numbers.count == 2 else { return nil }
        return LogCursor(
            file: .init(device: numbers[0], inode: numbers[1]), times: lines.dropFirst(2).compactMap { Int64($0) })
    }

    func save(_ path: String) throws {
        if let slash = path.lastIndex(of: "/") { try Directories.make(String(path[..<slash]), mode: 0o700) }
        let text =
            ([Self.header, "\(file.device) \(file.inode)"] + times.map(String.init)).joined(separator: "\n") + "\n"
        try AtomicFile.write(Array(text.utf8), to: path, mode: 0o600)
    }
}
