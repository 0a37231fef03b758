import FoundationEssentials
import HTTP
public import NIOCore
import NIOHTTP1

extension DockerClient {
    public func listImages() async throws -> [ImageSummary] { try await get("/images/json") }

    /// By name or id.
    /// - Returns: nil when the engine does not have it.
    public func inspectImageIfPresent(_ reference: String) async throws -> ImageInspect? {
        guard !reference.isEmpty else { return nil }
        do {
            return try await get("/images/\(try Self.path(reference))/json")
        } catch let error as DockerError where error.code == .notFound {
            return nil
        }
    }

    /// - Throws: `notFound`; `conflict` when a container uses it.
    public func removeImage(_ reference: String, force: Bool) async throws {
        try await call(
            .DELETE, "/images/\(try Self.path(reference))", [("force", force ? "1" : "0")], timeout: .seconds(120))
    }

    /// Brings an image from its registry. The pull goes on while the progress is read; it has succeeded when that ends
    /// without an error.
    /// - Parameter tag: a tag or a digest.
    public func pullImage(_ name: String, tag: String, auth: RegistryAuth?) async throws -> JSONLines<PullProgress> {
        var headers: HTTPHeaders = [:]
        if let auth { headers.add(name: "x-registry-auth", value: try Self.header(auth)) }
        return Self.progress(
            try await open(
                .POST, "/images/create", [("fromImage", name), ("tag", tag)], headers: headers, timeout: .seconds(300)))
    }

    /// Makes an image of one layer from a tar archive.
    /// - Parameter changes: Dockerfile instructions that set the image's configuration.
    public func importImage(
        _ archive: ByteBuffer, repository: String, tag: String, changes: [String] = []
    ) async throws {
        let query =
            [(name: "fromSrc", value: "-"), ("repo", repository), ("tag", tag)] + changes.map { ("changes", $0) }
        _ = try await upload(archive, to: "/images/create", query)
    }

    /// Brings the images of an archive as `docker save` writes it.
    /// - Returns: what the engine says it loaded: names, or ids of images without one.
    public func loadImages(_ archive: ByteBuffer) async throws -> [String] {
        try await upload(archive, to: "/images/load", [("quiet", "1")]).compactMap { progress in
            guard let words = progress.stream?.split(separator: ": ", maxSplits: 1), words.count == 2,
                words[0].hasPrefix("Loaded image")
            else { return nil }
            return String(words[1].prefix { !$0.isNewline })
        }
    }

    /// Gives an image a further name.
    public func tagImage(_ reference: String, repository: String, tag: String) async throws {
        try await call(.POST, "/images/\(try Self.path(reference))/tag", [("repo", repository), ("tag", tag)])
    }

    /// Bytes of all image layers together.
    public func imageBytes() async throws -> Int64 {
        let usage: DiskUsage = try await get("/system/df", timeout: .seconds(300))
        return usage.layersSize ?? 0
    }

    private func upload(_ archive: ByteBuffer, to path: String, _ query: Query) async throws -> [PullProgress] {
        try await withDeadline(.seconds(600), path) { [self] in
            let bytes = try await open(
                .POST, path, query, headers: ["content-type": "application/x-tar"],
                body: .stream { writer in
                    var rest = archive
                    // Pieces, so that a slow engine is not sent everything at once.
                    while let piece = rest.readSlice(length: min(1 << 20, rest.readableBytes)), piece.readableBytes > 0
                    {
                        try await writer.write(piece)
                    }
                }, timeout: .seconds(600))
            var all: [PullProgress] = []
            for try await progress in Self.progress(bytes) { all.append(progress) }
            return all
        }
    }

    private static func progress(_ bytes: EngineBytes) -> JSONLines<PullProgress> {
        JSONLines(bytes: bytes) { progress in
            if let failure = progress.failure { throw failure }
        }
    }

    /// Base64 in the alphabet of URLs, padded: what every engine reads.
    static func header(_ auth: RegistryAuth) throws -> String {
        Data(try JSONEncoder().encode(auth)).base64EncodedString().replacing("+", with: "-").replacing("/", with: "_")
    }

    /// A reference as part of a path: its slashes and colons are the engine's to read.
    static func path(_ reference: String) throws -> String {
        let parts = reference.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            throw DockerError(.invalidArgument, "\"\(reference)\" is no image name")
        }
        return parts.map { PercentCoding.encode($0).replacing("%3A", with: ":").replacing("%40", with: "@") }
            .joined(separator: "/")
    }
}
