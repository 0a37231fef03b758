import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

/// A manifest as it was fetched.
public struct FetchedManifest: Sendable {
    /// Its digest is of the bytes.
    public var descriptor: Descriptor
    public var bytes: [UInt8]

    /// - Throws: `wrongContent` when it is no such JSON.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        do {
            return try JSONDecoder().decode(type, from: Data(bytes))
        } catch {
            throw RegistryError(.wrongContent, "the manifest \(descriptor.digest) cannot be understood", cause: error)
        }
    }
}

/// What a name or digest stands for, down to the manifest of one platform.
public struct ResolvedImage: Sendable {
    /// Of the manifest.
    public var descriptor: Descriptor
    /// The manifest as fetched, byte for byte.
    public var bytes: [UInt8]
    public var manifest: OCIManifest
    /// What the name itself stands for where that is a list of manifests.
    public var index: Descriptor?
}

extension Repository {
    /// No registry takes a larger one.
    static let manifestLimit = 4 << 20
    private static let accepted = [MediaType.manifest, MediaType.index, MediaType.dockerManifest, MediaType.dockerList]

    /// What a tag or a digest stands for.
    /// - Parameter name: a tag or a digest.
    /// - Throws: ``RegistryError``; `notFound`, `unauthorized` and `forbidden` are the registry's own words.
    public func head(_ name: String) async throws -> Descriptor {
        try await pulling { try await head(name, at: $0) }
    }

    /// The same of the registry itself: whether these credentials may have it, which a mirror may not know. Where the
    /// registry cannot be reached its mirrors are believed, who are asked as this host.
    public func check(_ name: String) async throws -> Descriptor {
        try await preferringRegistry { try await head(name, at: $0) }
    }

    /// A manifest or a list of them.
    /// - Parameter name: a tag or a digest.
    /// - Throws: ``RegistryError``; `wrongContent` when the bytes have another digest than was asked for.
    public func manifest(_ name: String) async throws -> FetchedManifest {
        try await pulling { try await manifest(name, at: $0) }
    }

    /// The manifest that a name stands for; of a list, the one for `platforms`.
    ///
    /// - Parameters:
    ///   - name: a tag or a digest.
    ///   - platforms: the first that a list has counts.
    /// - Throws: `notFound` when a list has nothing for them.
    public func resolve(
        _ name: String,
        platforms: [Platform] = [
            Platform(os: "darwin", architecture: Platform.hostArchitecture),
            Platform(os: "linux", architecture: Platform.hostArchitecture),
        ]
    ) async throws -> ResolvedImage {
        let first = try await manifest(name)
        guard MediaType.indexes.contains(first.descriptor.mediaType) else {
            return ResolvedImage(descriptor: first.descriptor, bytes: first.bytes, manifest: try first.decode())
        }
        let chosen = try first.decode(OCIIndex.self).entry(for: platforms)
        guard let chosen else {
            throw RegistryError(
                .notFound,
                "\(registry)/\(self.name) \(name) has nothing for \(platforms.map(\.description).joined(separator: " or "))"
            )
        }
        let second = try await manifest(chosen.digest)
        guard MediaType.manifests.contains(second.descriptor.mediaType) else {
            throw RegistryError(
                .wrongContent, "\(registry)/\(self.name) \(name) leads to \(chosen.digest), which is no manifest")
        }
        return ResolvedImage(
            descriptor: second.descriptor, bytes: second.bytes, manifest: try second.decode(), index: first.descriptor)
    }

    // MARK: One endpoint

    private func request(_ method: HTTPMethod, _ name: String, at endpoint: Endpoint) -> Request {
        var request = Request(
            method: method, address: endpoint.address("manifests/\(name)"), scope: .pull(endpoint.name),
            expected: [200],
            what: "looking up \(endpoint.origin.authority)/\(endpoint.name) \(name)")
        for type in Self.accepted { request.headers.add(name: "Accept", value: type) }
        return request
    }

    private func head(_ name: String, at endpoint: Endpoint) async throws -> Descriptor {
        let response: HTTPClientResponse
        do {
            response = try await perform(request(.HEAD, name, at: endpoint), at: endpoint)
        } catch let error as RegistryError where error.code == .unsupported {
            return try await manifest(name, at: endpoint).descriptor
        }
        await client.transport.discard(response)
        guard let digest = response.headers.first(name: "Docker-Content-Digest"), ImageReference.isDigest(digest),
            let size = response.headers.first(name: "Content-Length").flatMap({ Int64($0) })
        else { return try await manifest(name, at: endpoint).descriptor }
        guard !ImageReference.isDigest(name) || digest == name else {
            throw RegistryError(
                .wrongContent,
                "\(endpoint.origin.authority) was asked for \(name) of \(endpoint.name) and has \(digest)")
        }
        return Descriptor(mediaType: Self.mediaType(response.headers) ?? "", digest: digest, size: size)
    }

    private func manifest(_ name: String, at endpoint: Endpoint) async throws -> FetchedManifest {
        let request = request(.GET, name, at: endpoint)
        let response = try await perform(request, at: endpoint)
        let body = try await client.transport.collect(
            response, upTo: Self.manifestLimit, request.what, endpoint.origin)
        let bytes = Array(body.readableBytesView)
        let digest = Digest.sha256(bytes)
        for expected in [
            ImageReference.isDigest(name) ? name : nil, response.headers.first(name: "Docker-Content-Digest"),
        ] {
            guard let expected, ImageReference.isDigest(expected), expected != digest else { continue }
            throw RegistryError(
                .wrongContent, "\(request.what): the content was to have the digest \(expected), and has \(digest)")
        }
        struct Outline: Codable {
            var mediaType: String?
            var config: Descriptor?
            var manifests: [Descriptor]?
        }
        guard let outline = try? JSONDecoder().decode(Outline.self, from: Data(bytes)) else {
            throw RegistryError(.wrongContent, "\(request.what): the answer is no manifest")
        }
        // Its own word counts: a type in a header alone could make one thing of it here and another there.
        let type = outline.mediaType ?? Self.mediaType(response.headers) ?? ""
        let isIndex = outline.manifests != nil && outline.config == nil
        guard MediaType.indexes.contains(type) || MediaType.manifests.contains(type) || outline.mediaType == nil,
            outline.mediaType == nil || MediaType.indexes.contains(type) == isIndex
        else {
            throw RegistryError(.unsupported, "\(request.what): manifests of the type \"\(type)\" are not read here")
        }
        let known =
            MediaType.indexes.contains(type) || MediaType.manifests.contains(type)
            ? type : isIndex ? MediaType.index : MediaType.manifest
        return FetchedManifest(
            descriptor: Descriptor(mediaType: known, digest: digest, size: Int64(bytes.count)), bytes: bytes)
    }

    static func mediaType(_ headers: HTTPHeaders) -> String? {
        headers.first(name: "Content-Type").map { String($0.prefix { $0 != ";" }).trimmed }
    }
}

extension Platform: CustomStringConvertible {
    public var description: String { "\(os)/\(architecture)" }
}

extension OCIIndex {
    /// The entry for the first of `platforms` that there is; the only one there is when that names none.
    public func entry(for platforms: [Platform]) -> Descriptor? {
        let entries = manifests.filter {
            ImageReference.isDigest($0.digest) && $0.platform?.os != "unknown"
                && (MediaType.manifests.contains($0.mediaType) || $0.mediaType.isEmpty)
        }
        for wanted in platforms {
            let found = entries.filter {
                $0.platform?.os == wanted.os && $0.platform?.architecture == wanted.architecture
            }
            if let exact = found.first(where: { $0.platform?.variant == wanted.variant }) ?? found.first {
                return exact
            }
        }
        return entries.count == 1 && entries[0].platform == nil ? entries[0] : nil
    }
}
