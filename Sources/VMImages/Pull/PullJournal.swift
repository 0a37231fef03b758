import CZlib
import HostFiles
import Synchronization

/// What of a pull is on disk and verified, so that after a crash nothing of it is fetched or hashed again. A line is written
/// when something has been verified and written; that is enough for another process to go on after this one was killed.
/// After a crash of the system only what a later `synced` line covers counts.
///
/// ```
/// boot ID SIZE                the following was written in this run of the system; a run of a disk has so many bytes
/// frame DISK OFFSET HEX       a run of a disk
/// layer DISK NUMBER           everything of one layer of a disk; what no frame names is zeros
/// file HEX                    a file, by the digest of its blob
/// synced COUNT                the first so many entries are on disk
/// ```
/// Each line ends with a checksum.
final class PullJournal: Sendable {
    enum Entry: Sendable, Hashable {
        case frame(disk: Int, offset: Int64, digest: String)
        case layer(disk: Int, number: Int)
        case file(digest: String)
    }

    private struct State {
        var count: Int
        var synced: Int
        var end: Int64
    }

    private let file: OpenFile
    private let state: Mutex<State>
    private static let sizeLimit = 256 << 20

    /// Opens a journal, or begins one. Blocks.
    /// - Parameter boot: names this run of the system.
    /// - Returns: what an earlier process left that is to be trusted.
    static func open(_ path: String, boot: String) throws -> (journal: PullJournal, entries: [Entry]) {
        let bytes = try FilePlaces.contents(of: path, limit: sizeLimit) ?? []
        let text = Text(bytes)
        let entries = text.trusted(boot: boot)
        // It goes on in its own place: a disk that is full keeps nobody from what came before.
        let file = try OpenFile.locking(path)
        // What cannot be trusted must not come to count later, by a line that covers it.
        var end = Int64(text.end(of: entries.count))
        if text.boot != boot {
            // The line that covered them may go, and before it does there is another.
            let words = Self.beginning(boot: boot, covering: entries.count)
            try Array((words + terminator).utf8).withUnsafeBytes { try file.write($0, at: end) }
            try file.sync()
            end += Int64(words.utf8.count)
            try file.truncate(to: end)
        } else if end < Int64(bytes.count) {
            // Only then: when it was changed last is the age of the pull.
            try file.truncate(to: end)
        }
        let state = State(count: entries.count, synced: min(text.synced, entries.count), end: end)
        return (PullJournal(file, state), entries)
    }

    /// What a run of the system begins with in a journal that holds so many entries that count.
    static func beginning(boot: String, covering count: Int) -> String {
        line("synced \(count)") + line("boot \(boot) \(DiskIndex.chunkSize)")
    }

    /// An empty line: what lies behind it does not count.
    static let terminator = "\n"

    /// So many entries are known to be on disk.
    var synced: Int { state.withLock { $0.synced } }

    private init(_ file: OpenFile, _ state: State) {
        self.file = file
        self.state = Mutex(state)
    }

    /// Says that something has been verified and written. Blocks shortly.
    func add(_ entries: [Entry]) throws {
        try append(entries.map { Self.line(Self.describe($0)) }.joined(), entries: entries.count)
    }

    private func append(_ text: String, entries: Int) throws {
        try state.withLock { state in
            try Array(text.utf8).withUnsafeBytes { try file.write($0, at: state.end) }
            state.end += Int64(text.utf8.count)
            state.count += entries
        }
    }

    /// Brings the files, and then the word that they are there, to disk. Blocks.
    func sync(_ files: [OpenFile]) throws {
        let (count, isNews) = state.withLock { ($0.count, $0.count > $0.synced) }
        guard isNews else { return }
        for file in files { try file.sync() }
        try append(Self.line("synced \(count)"), entries: 0)
        try file.sync()
        state.withLock { $0.synced = max($0.synced, count) }
    }

    // MARK: Text

    static func line(_ text: String) -> String {
        let sum = Array(text.utf8).withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
        return "\(text) \(String(sum, radix: 16))\n"
    }

    private static func describe(_ entry: Entry) -> String {
        switch entry {
        case .frame(let disk, let offset, let digest): "frame \(disk) \(offset) \(digest)"
        case .layer(let disk, let number): "layer \(disk) \(number)"
        case .file(let digest): "file \(digest)"
        }
    }

    /// What a journal says, up to the first line that is not whole.
    struct Text {
        private(set) var entries: [Entry] = []
        /// So many entries are on disk.
        private(set) var synced = 0
        /// The run of the system in which the last of them were written; empty when nothing can be trusted.
        private(set) var boot = ""
        /// Of the lines that are whole, in bytes.
        private var length = 0
        /// Where each entry's line begins.
        private var beginnings: [Int] = []

        init(_ bytes: [UInt8]) {
            for raw in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).dropLast() {
                let text = String(decoding: raw, as: UTF8.self)
                guard let space = text.lastIndex(of: " "), line(String(text[..<space])) == text + "\n" else { break }
                guard read(text[..<space].split(separator: " ").map(String.init)) else {
                    self = Text([])
                    return
                }
                if beginnings.count < entries.count { beginnings.append(length) }
                length += raw.count + 1
            }
        }

        /// - Returns: false for what this program does not write.
        private mutating func read(_ words: [String]) -> Bool {
            switch (words.first, words.count) {
            case ("boot", 3):
                // Another version of this program cut disks into runs of another size.
                guard words[2] == "\(DiskIndex.chunkSize)" else { return false }
                boot = words[1]
            case ("synced", 2): synced = max(synced, min(Int(words[1]) ?? 0, entries.count))
            case ("frame", 4):
                guard let disk = Int(words[1]), let offset = Int64(words[2]) else { return false }
                entries.append(.frame(disk: disk, offset: offset, digest: words[3]))
            case ("layer", 3):
                guard let disk = Int(words[1]), let number = Int(words[2]) else { return false }
                entries.append(.layer(disk: disk, number: number))
            case ("file", 2): entries.append(.file(digest: words[1]))
            default: return false
            }
            return true
        }

        /// Where the first so many entries, and what else was said before the next one, end.
        func end(of count: Int) -> Int { count < beginnings.count ? beginnings[count] : length }

        func trusted(boot: String) -> [Entry] { self.boot == boot ? entries : Array(entries.prefix(synced)) }
    }
}
