import FoundationEssentials
import HTTP
import NIOCore

/// JSON values one after the other, as the engine reports progress and events.
public struct JSONLines<Element: Decodable & Sendable>: AsyncSequence, Sendable {
    let bytes: HTTPBody
    /// Throws for a value that says that the operation failed.
    let check: @Sendable (Element) throws -> Void

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: HTTPBody.AsyncIterator
        let check: @Sendable (Element) throws -> Void
        private var buffer = ByteBuffer()

        init(base: HTTPBody.AsyncIterator, check: @escaping @Sendable (Element) throws -> Void) {
            self.base = base
            self.check = check
        }

        /// - Throws: `DockerError` when a value cannot be read or reports a failure, `HTTPError` when the connection
        ///   breaks.
        public mutating func next() async throws -> Element? {
            while true {
                if let line = nextLine() {
                    guard line.readableBytesView.contains(where: { $0 > 0x20 }) else { continue }
                    return try read(line)
                }
                guard var bytes = try await base.next() else {
                    guard buffer.readableBytesView.contains(where: { $0 > 0x20 }) else { return nil }
                    defer { buffer.clear() }
                    return try read(buffer)
                }
                buffer.discardReadBytes()
                buffer.writeBuffer(&bytes)
                guard buffer.readableBytes <= 4 << 20 else {
                    throw DockerError(.failed, "the engine sent a line of more than 4 MiB")
                }
            }
        }

        private mutating func nextLine() -> ByteBuffer? {
            let view = buffer.readableBytesView
            guard let end = view.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
            return buffer.readSlice(length: end - view.startIndex + 1)
        }

        private func read(_ line: ByteBuffer) throws -> Element {
            let value: Element
            do {
                value = try DockerJSON.decode(Element.self, from: line)
            } catch {
                throw DockerError(.failed, "the engine sent what cannot be read: \(String(buffer: line).prefix(200))", cause: error)
            }
            try check(value)
            return value
        }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: bytes.makeAsyncIterator(), check: check) }
}
