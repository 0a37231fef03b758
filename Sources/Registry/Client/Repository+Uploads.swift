import AsyncHTTPClient
import Logging
import NIOCore
import NIOHTTP1

extension Repository {
    /// Up to here a blob goes in one request with its digest.
    private static let smallBlob: Int64 = 4 << 20
    /// What chunks are made of when a server takes no larger request.
    private static let modestChunk: Int64 = 32 << 20

    public func exists(_ digest: String) async throws -> Bool {
        do {
            return try await retries.run {
                let response = try await perform(
                    request(.HEAD, endpoint.address("blobs/\(digest)"), [200], "looking for \(digest) in"), at: endpoint
                )
                await client.transport.discard(response)
                return true
            }
        } catch let error as RegistryError where error.code == .notFound {
            return false
        }
    }

    public func mount(_ digest: String, from repository: String) async throws -> Bool {
        let address = endpoint.address("blobs/uploads/").adding("mount", digest).adding("from", repository)
        let what = "taking \(digest) over from \(repository) into"
        var request = request(.POST, address, [201, 202], what)
        request.scope = .mount(to: endpoint.name, from: repository)
        let response: HTTPClientResponse
        do {
            response = try await retries.run { [request] in try await perform(request, at: endpoint) }
        } catch let error as RegistryError
            where [.notFound, .forbidden, .unauthorized, .unsupported].contains(error.code)
        {
            // Who may not read the other repository uploads.
            client.logger.debug("a blob was not taken over", metadata: ["digest": "\(digest)", "error": "\(error)"])
            return false
        }
        await client.transport.discard(response)
        if response.status == .created { return true }
        // An upload was begun in its place, which nobody wants.
        if let session = session(response, from: address) { await cancel(session) }
        return false
    }

    public func upload(_ descriptor: Descriptor, _ body: BlobBody) async throws {
        guard ImageReference.isDigest(descriptor.digest), body.size == descriptor.size else {
            throw RegistryError(
                .invalidArgument,
                "\(descriptor.digest) is to have \(descriptor.size) bytes, and \(body.size) are there to be sent")
        }
        var upload = Upload(repository: self, descriptor: descriptor, body: body)
        upload.chunk = client.configuration.uploadChunk
        try await upload.run(small: Self.smallBlob, modest: Self.modestChunk)
    }

    @discardableResult
    public func putManifest(_ bytes: [UInt8], mediaType: String, tag: String? = nil) async throws -> String {
        let digest = Digest.sha256(bytes)
        let name = tag ?? digest
        var request = request(
            .PUT, endpoint.address("manifests/\(name)"), [200, 201, 202], "putting the manifest \(name) into")
        request.headers.add(name: "Content-Type", value: mediaType)
        let content = ByteBuffer(bytes: bytes)
        request.body = { .bytes(content) }
        let response = try await retries.run { [request] in try await perform(request, at: endpoint) }
        await client.transport.discard(response)
        if let said = response.headers.first(name: "Docker-Content-Digest"), said != digest {
            throw RegistryError(
                .wrongContent, "\(request.what): it was sent with the digest \(digest) and arrived as \(said)")
        }
        return digest
    }

    // MARK: Sessions

    func request(_ method: HTTPMethod, _ address: WebAddress, _ expected: Set<UInt>, _ what: String) -> Request {
        Request(
            method: method, address: address, scope: .push(endpoint.name), expected: expected,
            what: "\(what) \(endpoint.origin.authority)/\(endpoint.name)")
    }

    /// Where an upload goes on.
    func session(_ response: HTTPClientResponse, from address: WebAddress) -> WebAddress? {
        response.headers.first(name: "Location").flatMap { address.following($0) }
    }

    func cancel(_ session: WebAddress) async {
        do {
            let response = try await perform(
                request(.DELETE, session, [200, 202, 204, 404], "giving up an upload to"), at: endpoint)
            await client.transport.discard(response)
        } catch {
            client.logger.debug("an upload could not be given up", metadata: ["error": "\(error)"])
        }
    }
}

/// One blob on its way into a registry.
private struct Upload {
    let repository: Repository
    let descriptor: Descriptor
    let body: BlobBody
    /// nil: all that is left.
    var chunk: Int64?

    private var endpoint: Endpoint { repository.endpoint }
    private var what: String { "sending \(descriptor.digest) to" }

    init(repository: Repository, descriptor: Descriptor, body: BlobBody) {
        self.repository = repository
        self.descriptor = descriptor
        self.body = body
    }

    mutating func run(small: Int64, modest: Int64) async throws {
        var failures = 0
        while true {
            var wasResumed = false
            do {
                return try await once(&wasResumed, small: small)
            } catch let error as RegistryError
                where error.mentions("(413") && (chunk ?? .max) > modest && descriptor.size > modest
            {
                chunk = modest
            } catch let error as RegistryError {
                failures += 1
                if wasResumed {
                    // A session that is gone, or went wrong when it was taken up again, is begun anew.
                    guard !error.isWorthRetrying, failures < repository.retries.attempts else { throw error }
                } else {
                    try await repository.retries.wait(after: error, tried: failures)
                }
            }
        }
    }

    /// One session, from its beginning to its end.
    private func once(_ wasResumed: inout Bool, small: Int64) async throws {
        let begin = endpoint.address("blobs/uploads/")
        let request = repository.request(.POST, begin, [202], what)
        let response = try await repository.perform(request, at: endpoint)
        await repository.client.transport.discard(response)
        guard var session = repository.session(response, from: begin) else {
            throw RegistryError(.failed, "\(what) \(endpoint.origin.authority): the registry does not say where to")
        }
        try repository.checkPlain(session.origin, from: endpoint.origin, what)
        if descriptor.size > small || chunk != nil {
            let least = response.headers.first(name: "OCI-Chunk-Min-Length").flatMap { Int64($0) } ?? 0
            session = try await chunks(session, least: least, &wasResumed)
            try await finish(session, from: descriptor.size)
        } else {
            try await finish(session, from: 0)
        }
    }

    /// Sends everything, and goes on after a break from where the registry says it is.
    private func chunks(_ start: WebAddress, least: Int64, _ wasResumed: inout Bool) async throws -> WebAddress {
        var session = start
        var offset: Int64 = 0
        var failures = 0
        while offset < descriptor.size {
            let end = min(descriptor.size, offset + max(chunk ?? descriptor.size, least, 1))
            do {
                var request = repository.request(.PATCH, session, [202, 204, 201], what)
                request.hasDeadline = false
                request.headers.add(name: "Content-Type", value: "application/octet-stream")
                if offset > 0 || end < descriptor.size {
                    request.headers.add(name: "Content-Range", value: "\(offset)-\(end - 1)")
                }
                request.body = content(offset..<end)
                let response = try await repository.perform(request, at: endpoint)
                await repository.client.transport.discard(response)
                session = repository.session(response, from: session) ?? session
                offset = end
                failures = 0
            } catch let error as RegistryError where error.isWorthRetrying {
                failures += 1
                try await repository.retries.wait(after: error, tried: failures)
                wasResumed = true
                (session, offset) = try await repository.retries.run { [session] in try await position(session) }
            }
        }
        return session
    }

    /// Where the registry is with an upload.
    private func position(_ session: WebAddress) async throws -> (WebAddress, Int64) {
        let request = repository.request(.GET, session, [204, 200], what)
        let response = try await repository.perform(request, at: endpoint)
        await repository.client.transport.discard(response)
        let text = response.headers.first(name: "Range")?.trimmed ?? ""
        let range = ContentRange.range(text.hasPrefix("bytes=") ? String(text.dropFirst(6)) : text)
        // "0-0" is one byte, or none: those who mean none are more.
        let offset = range.map { $0.upperBound == 1 ? 0 : $0.upperBound } ?? 0
        guard offset <= descriptor.size else {
            throw RegistryError(
                .wrongContent, "\(what) \(endpoint.origin.authority): it has \(offset) bytes of \(descriptor.size)")
        }
        return (repository.session(response, from: session) ?? session, offset)
    }

    /// The last request of a session says what the whole must be.
    private func finish(_ session: WebAddress, from offset: Int64) async throws {
        var request = repository.request(.PUT, session.adding("digest", descriptor.digest), [201, 204], what)
        request.hasDeadline = false
        request.headers.add(name: "Content-Type", value: "application/octet-stream")
        if offset < descriptor.size {
            request.body = content(offset..<descriptor.size)
        }
        let response = try await repository.perform(request, at: endpoint)
        await repository.client.transport.discard(response)
    }

    private func content(_ range: Range<Int64>) -> @Sendable () async throws -> HTTPClientRequest.Body {
        { [body] in
            let bytes = try await body.bytes(from: range.lowerBound)
            return .stream(Limited(base: bytes, count: Int64(range.count)), length: .known(Int64(range.count)))
        }
    }
}

/// So many bytes of a stream.
private struct Limited: AsyncSequence, Sendable {
    typealias Element = ByteBuffer
    let base: BlobStream
    let count: Int64

    struct AsyncIterator: AsyncIteratorProtocol {
        var base: BlobStream.AsyncIterator
        var left: Int64

        mutating func next() async throws -> ByteBuffer? {
            guard left > 0, var bytes = try await read() else { return nil }
            if Int64(bytes.readableBytes) > left, let head = bytes.readSlice(length: Int(left)) { bytes = head }
            left -= Int64(bytes.readableBytes)
            return bytes
        }

        /// What the source says is not the connection's fault.
        private mutating func read() async throws -> ByteBuffer? {
            do {
                return try await base.next()
            } catch {
                throw SourceFailure(cause: error)
            }
        }
    }

    func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: base.makeAsyncIterator(), left: count) }
}
