import NBD
import NIOCore
import NIOPosix

/// A disk that machines read while it is being fetched.
struct LazyDisk: NBDExport {
    let name: String
    let size: UInt64
    private let file: OpenFile
    /// In bytes; the last sector of what is served may reach beyond.
    private let length: Int64
    /// The runs of 1 MiB that are not zeros, by their offsets, and the numbers of their frames.
    private let runs: [Int64: Int]
    /// nil when all of it is there.
    private let fetch: LazyFetch?

    static func name(_ number: Int) -> String { "disk\(number)" }

    init(number: Int, file: OpenFile, length: Int64, runs: [Int64: Int], fetch: LazyFetch?) {
        name = Self.name(number)
        size = (UInt64(length) + 511) & ~511
        self.file = file
        self.length = length
        self.runs = runs
        self.fetch = fetch
    }

    private struct Part {
        var run: Int64
        var range: Range<Int64>
    }

    private func parts(_ range: Range<UInt64>) -> [Part] {
        var parts: [Part] = []
        let (chunk, end) = (Int64(DiskIndex.chunkSize), Int64(range.upperBound))
        var offset = Int64(range.lowerBound)
        while offset < end {
            let run = offset / chunk * chunk
            let next = min(end, run + chunk)
            parts.append(Part(run: run, range: offset..<next))
            offset = next
        }
        return parts
    }

    func read(_ range: Range<UInt64>) async throws -> [NBDPiece] {
        let parts = parts(range)
        if let fetch { try await fetch.need(parts.compactMap { runs[$0.run] }) }
        var pieces: [NBDPiece] = []
        for part in parts {
            guard runs[part.run] != nil else {
                pieces.append(.zeros(part.range.count))
                continue
            }
            pieces.append(.data(try await bytes(part.range)))
            fetch?.noteServed(part.range.count)
        }
        return pieces
    }

    private func bytes(_ range: Range<Int64>) async throws -> ByteBuffer {
        try await NIOThreadPool.singleton.runIfActive { [file, length] in
            var buffer = ByteBuffer()
            try buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: range.count) { room in
                let room = UnsafeMutableRawBufferPointer(rebasing: room[..<range.count])
                let count = try file.read(room, at: range.lowerBound)
                guard count == min(range.count, Int(max(0, length - range.lowerBound))) else {
                    throw VMImageError(.failed, "\(file.path) became shorter while it was read")
                }
                room[count...].initializeMemory(as: UInt8.self, repeating: 0)
                return range.count
            }
            return buffer
        }
    }

    func extents(_ range: Range<UInt64>) -> [NBDExtent] {
        var extents: [NBDExtent] = []
        for part in parts(range) {
            let isHole = runs[part.run] == nil
            if extents.last?.isHole == isHole {
                extents[extents.count - 1].length += UInt64(part.range.count)
            } else {
                extents.append(NBDExtent(length: UInt64(part.range.count), isHole: isHole))
            }
        }
        return extents
    }
}
