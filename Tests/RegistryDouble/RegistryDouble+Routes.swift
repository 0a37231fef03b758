import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Registry

extension RegistryDouble {
    /// `/v2/NAME/blobs/…`: the name.
    static func repository(of path: String) -> String? { split(path)?.name }

    private static func split(_ path: String) -> (name: String, kind: String, rest: String)? {
        guard path.hasPrefix("/v2/") else { return nil }
        let inner = path.dropFirst(4)
        for kind in ["blobs/uploads", "blobs", "manifests"] {
            guard let found = inner.ranges(of: "/\(kind)/").last else { continue }
            return (String(inner[..<found.lowerBound]), kind, String(inner[found.upperBound...]))
        }
        return nil
    }

    private static func refuse(_ status: HTTPResponseStatus, _ code: String) -> HTTPResponse {
        HTTPResponse(status, text: "{\"errors\":[{\"code\":\"\(code)\",\"message\":\"no\"}]}", type: "application/json")
    }

    func route(_ request: HTTPRequest) async throws -> HTTPResponse {
        guard let (name, kind, rest) = Self.split(request.path) else { return Self.refuse(.notFound, "NAME_UNKNOWN") }
        switch (kind, request.method) {
        case ("manifests", .GET), ("manifests", .HEAD): return manifest(rest, name, request)
        case ("manifests", .PUT):
            let bytes = try await request.body.collect(upTo: 4 << 20)
            let type = request.headers.first(name: "Content-Type") ?? ""
            let tag = rest.hasPrefix("sha256:") ? nil : rest
            let put = add(manifest: String(buffer: bytes), type: type, to: name, tag: tag)
            return HTTPResponse(.created, headers: ["Docker-Content-Digest": put.digest])
        case ("blobs", .GET), ("blobs", .HEAD): return blob(rest, name, request)
        case ("blobs/uploads", .POST): return begin(name, request)
        case ("blobs/uploads", _): return try await upload(rest, name, request)
        default: return Self.refuse(.methodNotAllowed, "UNSUPPORTED")
        }
    }

    private func manifest(_ reference: String, _ name: String, _ request: HTTPRequest) -> HTTPResponse {
        guard let stored = state.withLockedValue({ $0.manifests[name]?[reference] }) else {
            return Self.refuse(.notFound, "MANIFEST_UNKNOWN")
        }
        return HTTPResponse(
            .ok,
            headers: [
                "Content-Type": stored.type, "Docker-Content-Digest": Digest.sha256(stored.bytes.readableBytesView),
            ], body: .bytes(stored.bytes))
    }

    private func blob(_ digest: String, _ name: String, _ request: HTTPRequest) -> HTTPResponse {
        let (bytes, servesRanges) = state.withLockedValue { state in
            (state.repositories[name]?.contains(digest) == true ? state.blobs[digest] : nil, state.servesRanges)
        }
        guard let bytes else { return Self.refuse(.notFound, "BLOB_UNKNOWN") }
        let size = bytes.readableBytes
        guard servesRanges, let text = request.headers.first(name: "Range") else {
            return HTTPResponse(.ok, body: .bytes(bytes))
        }
        let ends = text.dropFirst("bytes=".count).split(separator: "-").compactMap { Int($0) }
        guard ends.count == 2, ends[0] <= ends[1], ends[0] < size else {
            return Self.refuse(.rangeNotSatisfiable, "RANGE_INVALID")
        }
        let last = min(ends[1], size - 1)
        let part = bytes.getSlice(at: bytes.readerIndex + ends[0], length: last - ends[0] + 1) ?? ByteBuffer()
        return HTTPResponse(
            .partialContent, headers: ["Content-Range": "bytes \(ends[0])-\(last)/\(size)"], body: .bytes(part))
    }

    // MARK: Uploads

    private func begin(_ name: String, _ request: HTTPRequest) -> HTTPResponse {
        if let digest = request.queryValue("mount"), let from = request.queryValue("from") {
            let isMounted = state.withLockedValue { state in
                guard state.takesMounts, state.repositories[from]?.contains(digest) == true else { return false }
                state.repositories[name, default: []].insert(digest)
                return true
            }
            if isMounted { return HTTPResponse(.created, headers: ["Docker-Content-Digest": digest]) }
        }
        let id = state.withLockedValue { state in
            state.next += 1
            state.uploads["u\(state.next)"] = ByteBuffer()
            return "u\(state.next)"
        }
        return HTTPResponse(
            .accepted, headers: ["Location": "/v2/\(name)/blobs/uploads/\(id)?state=1", "Range": "0-0"])
    }

    private func upload(_ id: String, _ name: String, _ request: HTTPRequest) async throws -> HTTPResponse {
        guard state.withLockedValue({ $0.uploads[id] }) != nil else {
            return Self.refuse(.notFound, "BLOB_UPLOAD_UNKNOWN")
        }
        func progress(_ status: HTTPResponseStatus) -> HTTPResponse {
            let count = state.withLockedValue { $0.uploads[id]?.readableBytes ?? 0 }
            return HTTPResponse(
                status,
                headers: [
                    "Location": "http://\(address)/v2/\(name)/blobs/uploads/\(id)", "Range": "0-\(max(0, count - 1))",
                ])
        }
        switch request.method {
        case .GET: return progress(.noContent)
        case .DELETE:
            state.withLockedValue { $0.uploads[id] = nil }
            return HTTPResponse(.noContent)
        case .PATCH, .PUT:
            if let text = request.headers.first(name: "Content-Range") {
                let count = state.withLockedValue { $0.uploads[id]?.readableBytes ?? 0 }
                guard text.split(separator: "-").first == "\(count)" else {
                    return Self.refuse(.rangeNotSatisfiable, "BLOB_UPLOAD_INVALID")
                }
            }
            var limit = request.method == .PATCH ? state.withLockedValue { $0.breaksUploadAfter } : nil
            for try await var bytes in request.body {
                if let left = limit {
                    if bytes.readableBytes > left, let head = bytes.readSlice(length: left) { bytes = head }
                    limit = left - bytes.readableBytes
                }
                state.withLockedValue { [bytes] in _ = $0.uploads[id]?.writeImmutableBuffer(bytes) }
                if limit == 0 {
                    state.withLockedValue { $0.breaksUploadAfter = nil }
                    return Self.refuse(.serviceUnavailable, "UNAVAILABLE")
                }
            }
            guard request.method == .PUT else { return progress(.accepted) }
            let content = state.withLockedValue { $0.uploads[id] } ?? ByteBuffer()
            let digest = Digest.sha256(content.readableBytesView)
            guard request.queryValue("digest") == digest else { return Self.refuse(.badRequest, "DIGEST_INVALID") }
            state.withLockedValue { state in
                state.uploads[id] = nil
                state.blobs[digest] = content
                state.repositories[name, default: []].insert(digest)
            }
            return HTTPResponse(.created, headers: ["Docker-Content-Digest": digest])
        default: return Self.refuse(.methodNotAllowed, "UNSUPPORTED")
        }
    }
}
