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
        try await perform(.DELETE, "/images/\(try Self.path(reference))", [("force", force ? "1" : "0")], timeout: .seconds(120))
    }

    /// Brings an image from its registry. The pull goes on while the progress is read; it has succeeded when that ends
    /// without an error.
    /// - Parameter tag: a tag or a digest.
    public func pullImage(_ name: String, tag: String, auth: RegistryAuth?) async throws -> JSONLines<PullProgress> {
        var headers: HTTPHeaders = [:]
        if let auth {
            let text = Data(try JSONEncoder().encode(auth)).base64EncodedString()
            headers.add(name: "x-registry-auth", value: text.replacing("+", with: "-").replacing("/", with: "_"))
        }
        let response = try await send(
            .POST, "/images/create", [("fromImage", name), ("tag", tag)], headers: headers, timeout: .seconds(300))
        return Self.progress(response)
    }

    /// Makes an image of one layer from a tar archive.
    /// - Parameter changes: Dockerfile instructions that set the image's configuration.
    public func importImage(_ archive: ByteBuffer, repository: String, tag: String, changes: [String] = []) async throws {
        let query = [(name: "fromSrc", value: "-"), ("repo", repository), ("tag", tag)] + changes.map { ("changes", $0) }
        let response = try await send(
            .POST, "/images/create", query, headers: ["content-type": "application/x-tar"], body: .stream { try await $0.write(archive) },
            timeout: .seconds(300))
        for try await _ in Self.progress(response) {}
    }

    /// Gives an image a further name.
    public func tagImage(_ reference: String, repository: String, tag: String) async throws {
        try await perform(.POST, "/images/\(try Self.path(reference))/tag", [("repo", repository), ("tag", tag)])
    }

    /// Bytes of all image layers together.
    public func imageBytes() async throws -> Int64 {
        let usage: DiskUsage = try await get("/system/df", timeout: .seconds(300))
        return usage.layersSize ?? 0
    }

    private static func progress(_ response: HTTPClientResponse) -> JSONLines<PullProgress> {
        JSONLines(bytes: response.body) { progress in
            if let error = progress.error { throw DockerError(.failed, error) }
        }
    }

    /// A reference as part of a path: its slashes and colons are the engine's to read.
    private static func path(_ reference: String) throws -> String {
        let parts = reference.split(separator: "/", omittingEmptySubsequences: false)
        guard !parts.contains(where: { $0.isEmpty || $0 == "." || $0 == ".." }) else {
            throw DockerError(.invalidArgument, "\"\(reference)\" is no image name")
        }
        return parts.map { PercentCoding.encode($0).replacing("%3A", with: ":").replacing("%40", with: "@") }.joined(separator: "/")
    }
}
