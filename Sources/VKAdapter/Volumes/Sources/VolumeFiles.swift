import HostFiles
import KubeAPI

/// Collects the files of a volume. What is in it leads nowhere outside of the volume, fits together and has an end.
struct VolumeFiles {
    /// Bytes of one volume, all files together.
    static let maximumSize = 64 << 20
    static let maximumCount = 20_000
    /// Directories in each other.
    static let maximumDepth = 64

    private var files: [String: VolumeContent.File] = [:]
    private var size = 0

    /// Adds a file; the last of a path counts.
    /// - Parameters:
    ///   - path: as the pod's specification has it.
    ///   - mode: permissions.
    ///   - owner: who it belongs to; nobody in particular where `nil`.
    mutating func add(_ path: String, _ content: [UInt8], mode: Int32, owner: UInt32? = nil) throws(AdapterError) {
        let path = try Self.checked(path)
        guard (0...0o777).contains(mode) else {
            throw AdapterError(.invalidArgument, "the mode \(mode) of \"\(path)\" is not between 0 and 0777 octal")
        }
        if let old = files[path] { size -= old.content.count }
        size += content.count
        guard files.count < Self.maximumCount else {
            throw AdapterError(.invalidArgument, "it has more than \(Self.maximumCount) files")
        }
        guard size <= Self.maximumSize else {
            throw AdapterError(.invalidArgument, "its files are more than \(Self.maximumSize) bytes together")
        }
        files[path] = VolumeContent.File(path: path, content: content, mode: UInt32(mode), owner: owner)
    }

    /// The whole volume. With a group its files can be read by it, as the kubelet does.
    func content(group: Int64?) throws(AdapterError) -> VolumeContent {
        // NUL is in no name: sorted like this a file comes right before everything "below" it.
        let sorted = files.values.map { (key: Array($0.path.utf8).map { $0 == 0x2F ? 0 : $0 }, file: $0) }
            .sorted { $0.key.lexicographicallyPrecedes($1.key) }
        for (above, below) in zip(sorted, sorted.dropFirst())
        where below.key.count > above.key.count && below.key[above.key.count] == 0 && below.key.starts(with: above.key)
        {
            throw AdapterError(
                .invalidArgument, "\"\(above.file.path)\" is a file and \"\(below.file.path)\" is below it")
        }
        let all = sorted.map { entry in
            var file = entry.file
            if group != nil { file.mode |= 0o440 }
            return file
        }
        return VolumeContent(files: all, group: group)
    }

    /// The path without what says nothing.
    /// - Throws: when it leads out of the volume, or to where the volume's own files are.
    static func checked(_ path: String) throws(AdapterError) -> String {
        func refusal(_ why: String) -> AdapterError {
            AdapterError(.invalidArgument, "the path \"\(shortened(path))\" \(why)")
        }
        guard !path.isEmpty, !path.utf8.contains(0) else { throw refusal("is empty or not text") }
        guard path.utf8.count <= 4095 else { throw refusal("is longer than 4095 bytes") }
        guard path.utf8.first != UInt8(ascii: "/") else { throw refusal("must be relative") }
        let parts = path.split(separator: "/").filter { $0 != "." }
        guard let first = parts.first, parts.count <= maximumDepth else {
            throw refusal(parts.isEmpty ? "names no file" : "is deeper than \(maximumDepth) directories")
        }
        guard !first.hasPrefix(".."), !parts.contains("..") else {
            throw refusal("must not contain \"..\" and must not begin with it")
        }
        guard parts.allSatisfy({ $0.utf8.count <= 255 }) else { throw refusal("has a name longer than 255 bytes") }
        return parts.joined(separator: "/")
    }

    /// Names may be of any length: what people read is not.
    static func shortened(_ text: String, to limit: Int = 120) -> String {
        text.utf8.count <= limit ? text : "\(text.prefix(limit))…"
    }
}
