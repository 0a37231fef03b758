import AsyncHTTPClient
import NIOCore
import NIOHTTP1

extension Repository {
    /// A blob as it comes. A transfer that breaks or stands still goes on from where it was, as often as is worth it.
    ///
    /// - Parameter range: nil is all of it. A server that serves no ranges gives the whole: see ``BlobStream/range``.
    /// - Throws: ``RegistryError``: `notFound`; `wrongContent` when the registry has another length than the descriptor,
    ///   or serves another part than was asked for. The content is not checked against the digest.
    public func blob(_ descriptor: Descriptor, range: Range<Int64>? = nil) async throws -> BlobStream {
        guard ImageReference.isDigest(descriptor.digest), descriptor.size >= 0 else {
            throw RegistryError(.invalidArgument, "\"\(descriptor.digest)\" of \(descriptor.size) bytes is no blob")
        }
        let wanted = range ?? 0..<descriptor.size
        guard wanted.lowerBound >= 0, wanted.upperBound <= descriptor.size else {
            throw RegistryError(
                .invalidArgument, "the blob \(descriptor.digest) of \(descriptor.size) bytes has no range \(wanted)")
        }
        if wanted.isEmpty, descriptor.size > 0 { return BlobStream(range: wanted, NoBytes()) }
        let (first, endpoint) = try await pulling { (try await openBlob(descriptor, wanted, at: $0), $0) }
        return BlobStream(
            range: first.served,
            ResumingBlob(repository: self, endpoint: endpoint, descriptor: descriptor, wanted: wanted, first: first))
    }

    private struct NoBytes: AsyncSequence {
        struct AsyncIterator: AsyncIteratorProtocol {
            mutating func next() async throws -> ByteBuffer? { nil }
        }
        func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
    }

    /// Bytes of a blob that are about to come.
    struct OpenBlob: Sendable {
        var body: HTTPClientResponse.Body
        /// What the answer announces.
        var served: Range<Int64>
    }

    /// - Returns: the range, its beginning at least, or the whole.
    func openBlob(_ descriptor: Descriptor, _ range: Range<Int64>, at endpoint: Endpoint) async throws -> OpenBlob {
        let digest = descriptor.digest
        let what = "fetching \(digest) of \(endpoint.origin.authority)/\(endpoint.name)"
        let isWhole = range == 0..<descriptor.size
        var request = Request(
            method: .GET, address: endpoint.address("blobs/\(digest)"), scope: .pull(endpoint.name),
            expected: [200, 206], what: what)
        // The bytes themselves, not what a helpful server makes of them.
        request.headers.add(name: "Accept-Encoding", value: "identity")
        if !isWhole {
            request.headers.add(name: "Range", value: "bytes=\(range.lowerBound)-\(range.upperBound - 1)")
        }
        let response = try await performKnowing(digest, request, at: endpoint)
        if let encoding = response.headers.first(name: "Content-Encoding"), encoding.lowercased() != "identity" {
            throw RegistryError(.wrongContent, "\(what): it comes encoded (\(encoding)), which nobody asked for")
        }
        var served = 0..<descriptor.size
        if response.status == .partialContent {
            guard let part = response.headers.first(name: "Content-Range").flatMap({ ContentRange($0) }),
                part.range.lowerBound == range.lowerBound, part.range.upperBound <= range.upperBound,
                part.total ?? descriptor.size == descriptor.size
            else {
                throw RegistryError(
                    .wrongContent,
                    "\(what): asked for bytes \(range.lowerBound)-\(range.upperBound - 1) of \(descriptor.size), the registry "
                        + "serves \"\(response.headers.first(name: "Content-Range") ?? "no range")\"")
            }
            served = part.range
        }
        let length = response.headers.first(name: "Content-Length").flatMap { Int64($0) }
        guard length ?? Int64(served.count) == Int64(served.count) else {
            throw RegistryError(
                .wrongContent, "\(what): \(served.count) bytes were to come, the registry announces \(length ?? 0)")
        }
        return OpenBlob(body: response.body, served: served)
    }
}

/// The bytes of a blob, over as many requests as it takes.
private struct ResumingBlob: AsyncSequence, Sendable {
    typealias Element = ByteBuffer

    let repository: Repository
    let endpoint: Endpoint
    let descriptor: Descriptor
    let wanted: Range<Int64>
    let first: Repository.OpenBlob

    func makeAsyncIterator() -> Iterator { Iterator(self) }

    struct Iterator: AsyncIteratorProtocol {
        /// Progress after which an earlier failure counts no more.
        private static let forgiving: Int64 = 1 << 20

        private let blob: ResumingBlob
        /// Who is asked for the rest.
        private var endpoint: Endpoint
        private let end: Int64
        private var body: HTTPClientResponse.Body.AsyncIterator?
        /// What is to be given next.
        private var offset: Int64
        /// Where the open answer is, and ends.
        private var position: Int64
        private var bodyEnd: Int64
        private var failures = 0
        private var lastFailure: Int64 = 0

        init(_ blob: ResumingBlob) {
            self.blob = blob
            endpoint = blob.endpoint
            body = blob.first.body.makeAsyncIterator()
            let served = blob.first.served
            // The whole is what is given when the whole comes.
            let isWhole = served == 0..<blob.descriptor.size
            end = isWhole ? served.upperBound : blob.wanted.upperBound
            offset = served.lowerBound
            position = served.lowerBound
            bodyEnd = served.upperBound
        }

        mutating func next() async throws -> ByteBuffer? {
            while true {
                if offset == end {
                    await finish()
                    return nil
                }
                do {
                    if body == nil { try await reopen() }
                    if let bytes = try await advance() { return bytes }
                } catch {
                    body = nil
                    try await failed(Transport.explained(error, what, endpoint.origin))
                }
            }
        }

        private var what: String { "fetching \(blob.descriptor.digest) of \(endpoint.origin.authority)" }

        /// nil when the answer ended, or all of what came was here before.
        private mutating func advance() async throws -> ByteBuffer? {
            guard var bytes = try await body?.next() else {
                body = nil
                // A server may serve less at a time than it is asked for.
                if position == bodyEnd { return nil }
                throw RegistryError(.unavailable, "\(what): the connection ended early")
            }
            position += Int64(bytes.readableBytes)
            guard position <= bodyEnd else {
                throw RegistryError(.wrongContent, "\(what): more came than the \(bodyEnd) bytes announced")
            }
            let old = Int64(bytes.readableBytes) - (position - offset)
            if old > 0 { bytes.moveReaderIndex(forwardBy: Int(Swift.min(old, Int64(bytes.readableBytes)))) }
            if position > end {
                bytes.moveWriterIndex(to: bytes.writerIndex - Int(position - Swift.max(end, offset)))
            }
            guard bytes.readableBytes > 0 else { return nil }
            offset += Int64(bytes.readableBytes)
            return bytes
        }

        private mutating func reopen() async throws {
            let opened = try await blob.repository.openBlob(blob.descriptor, offset..<end, at: endpoint)
            body = opened.body.makeAsyncIterator()
            position = opened.served.lowerBound
            bodyEnd = opened.served.upperBound
        }

        private mutating func failed(_ error: any Error) async throws {
            if offset - lastFailure >= Self.forgiving { failures = 0 }
            failures += 1
            lastFailure = offset
            do {
                try await blob.repository.retries.wait(after: error, tried: failures)
            } catch let error as RegistryError where endpoint.isMirror {
                blob.repository.shun(endpoint, error)
                endpoint = blob.repository.endpoint
                failures = 0
            }
        }

        /// Takes the end of the answer, so that the connection is good for the next request. All bytes are here: how it
        /// ends does not matter any more.
        private mutating func finish() async {
            guard body != nil, position == bodyEnd else {
                body = nil
                return
            }
            while let rest = try? await body?.next(), rest.readableBytes == 0 {}
            body = nil
        }
    }
}
