import NIOCore

/// Cuts a stream of bytes into lines.
struct LineSplitter {
    private var pending: [UInt8] = []
    /// Bytes of one line.
    private let limit: Int

    init(limit: Int = 64 << 20) { self.limit = limit }

    /// - Returns: the lines that are whole now, without their ends; empty ones are left out.
    mutating func take(_ buffer: ByteBuffer) throws(KubeAPIError) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var rest = buffer.readableBytesView[...]
        while let end = rest.firstIndex(of: 0x0A) {
            pending.append(contentsOf: rest[..<end])
            if !pending.isEmpty { lines.append(pending) }
            pending = []
            rest = rest[rest.index(after: end)...]
        }
        pending.append(contentsOf: rest)
        guard pending.count <= limit else {
            throw KubeAPIError(.failed, "the API server sent a watch event of more than \(limit) bytes")
        }
        return lines
    }
}
