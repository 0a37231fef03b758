import KubeAPI
import NIOCore

/// Turns the bytes of a CRI log file (`TIME STREAM TAG TEXT`) into what a user reads. Pure: bytes in, bytes out.
struct LogLines: Sendable {
    private let since: ArraySlice<UInt8>
    private let timestamps: Bool
    private var limit: Int
    /// The beginning of a line whose end was not written yet.
    private var rest: [UInt8] = []
    /// The entry before ended in the middle of a line: this one goes on without a time.
    private var isInLine = false
    /// No more bytes are wanted.
    private(set) var isFull = false

    init(_ options: LogOptions) {
        since = options.since.map { Array($0.descriptionWithNanoseconds.utf8)[...] } ?? []
        timestamps = options.timestamps
        limit = options.limitBytes ?? Int.max
    }

    /// Nothing of an unfinished line is kept: the file was cut or replaced.
    mutating func restart() { rest = [] }

    mutating func convert(_ bytes: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        var start = bytes.startIndex
        while !isFull, let end = bytes[start...].firstIndex(of: 0x0A) {
            if rest.isEmpty {
                entry(bytes[start..<end], into: &output)
            } else {
                rest += bytes[start..<end]
                let line = rest
                rest.removeAll(keepingCapacity: true)
                entry(line[...], into: &output)
            }
            start = end + 1
        }
        if !isFull { rest += bytes[start...] }
    }

    private mutating func entry(_ line: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        // What is no entry is skipped, as the kubelet does.
        guard let first = line.firstIndex(of: 0x20), let second = line[(first + 1)...].firstIndex(of: 0x20) else {
            return
        }
        let tags = line[(second + 1)...]
        let third = tags.firstIndex(of: 0x20) ?? tags.endIndex
        guard let tag = tags.first, tag == UInt8(ascii: "P") || tag == UInt8(ascii: "F") else { return }
        let time = line[..<first]
        // Times of fixed width, so that the order of their bytes is theirs.
        if !since.isEmpty, time.lexicographicallyPrecedes(since) { return }
        if timestamps, !isInLine {
            put(time, into: &output)
            put([0x20], into: &output)
        }
        if third < tags.endIndex { put(tags[(third + 1)...], into: &output) }
        isInLine = tag == UInt8(ascii: "P")
        if !isInLine { put([0x0A], into: &output) }
    }

    private mutating func put(_ bytes: ArraySlice<UInt8>, into output: inout ByteBuffer) {
        let taken = bytes.prefix(limit)
        output.writeBytes(taken)
        limit -= taken.count
        if limit == 0 { isFull = true }
    }
}
