import NIOCore

/// JSON values one after the other, as the engine reports progress and events. To be read once.
public struct JSONLines<Element: Decodable & Sendable>: AsyncSequence, Sendable {
    let bytes: EngineBytes
    /// Throws for a value that says that the operation failed.
    let check: @Sendable (Element) throws -> Void

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: EngineBytes.AsyncIterator
        let check: @Sendable (Element) throws -> Void
        var splitter = LineSplitter()

        /// - Throws: `DockerError` when a value cannot be read or reports a failure, or the connection breaks.
        public mutating func next() async throws -> Element? {
            while true {
                if let line = splitter.next() { return try read(line) }
                guard let bytes = try await base.next() else {
                    guard let line = splitter.finish() else { return nil }
                    return try read(line)
                }
                try splitter.append(bytes)
            }
        }

        private func read(_ line: ByteBuffer) throws -> Element {
            let value: Element
            do {
                value = try DockerJSON.decode(Element.self, from: line)
            } catch {
                throw DockerError(
                    .failed, "the engine sent what cannot be read: \(String(buffer: line).prefix(200))", cause: error)
            }
            try check(value)
            return value
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: bytes.makeAsyncIterator(), check: check) }
}

/// Cuts bytes at line ends; blank lines are nothing.
struct LineSplitter {
    static let limit = 4 << 20

    private var buffer = ByteBuffer()
    /// Bytes at the beginning that are known to have no line end.
    private var searched = 0

    /// - Throws: `DockerError` for a line longer than ``limit``.
    mutating func append(_ bytes: ByteBuffer) throws(DockerError) {
        var bytes = bytes
        buffer.discardReadBytes()
        buffer.writeBuffer(&bytes)
        guard buffer.readableBytes <= Self.limit else {
            throw DockerError(.failed, "the engine sent a line of more than \(Self.limit >> 20) MiB")
        }
    }

    mutating func next() -> ByteBuffer? {
        while true {
            let view = buffer.readableBytesView
            guard let end = view.dropFirst(searched).firstIndex(of: UInt8(ascii: "\n")) else {
                searched = view.count
                return nil
            }
            searched = 0
            let line = buffer.readSlice(length: end - view.startIndex + 1)!
            if Self.isNotBlank(line) { return line }
        }
    }

    /// What came after the last line end.
    mutating func finish() -> ByteBuffer? {
        defer { self = LineSplitter() }
        return Self.isNotBlank(buffer) ? buffer : nil
    }

    private static func isNotBlank(_ line: ByteBuffer) -> Bool { line.readableBytesView.contains { $0 > 0x20 } }
}
