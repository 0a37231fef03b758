import Foundation
import NIOCore
import Registry
import RegistryDouble
import Testing

@Suite(.enabled(if: DockerRegistry.isAvailable, "docker-registry is not installed: scripts/deps install test"))
struct RealRegistryTests {
    private func roundTrip(_ repository: Repository, _ other: Repository) async throws {
        let content = Harness.bytes(6 << 20)
        let blob = Descriptor(mediaType: "a/b", digest: Digest.sha256(content), size: Int64(content.count))
        let config = Array("{}".utf8)
        let empty = Descriptor(mediaType: MediaType.empty, digest: Digest.sha256(config), size: 2)
        #expect(try await !repository.exists(blob.digest))
        try await repository.upload(blob, BlobBody(ByteBuffer(bytes: content)))
        try await repository.upload(empty, BlobBody(ByteBuffer(bytes: config)))
        #expect(try await repository.exists(blob.digest))
        let manifest = OCIManifest(artifactType: "x/y", config: empty, layers: [blob])
        let bytes = [UInt8](try JSONEncoder().encode(manifest))
        let digest = try await repository.putManifest(bytes, mediaType: MediaType.manifest, tag: "v1")

        let image = try await repository.resolve("v1")
        #expect(image.descriptor.digest == digest)
        #expect(try await repository.head("v1") == image.descriptor)
        #expect(image.manifest.layers == [blob])
        #expect(try await repository.blob(blob).bytes() == content)
        let part = try await repository.blob(blob, range: 1_000_000..<3_000_000)
        #expect(part.range == 1_000_000..<3_000_000)
        #expect(try await part.bytes() == Array(content[1_000_000..<3_000_000]))
        #expect(await code { _ = try await repository.head("v2") } == .notFound)

        #expect(try await other.mount(blob.digest, from: repository.name))
        #expect(try await other.blob(blob).bytes().count == content.count)
    }

    @Test(
        "blobs and manifests go there and come back, in one piece and in chunks", arguments: [nil, 1 << 20] as [Int64?])
    func open(chunk: Int64?) async throws {
        var configuration = Harness.hasty
        configuration.uploadChunk = chunk
        try await DockerRegistry.run { registry in
            try await Harness.with(configuration) { client in
                func repository(_ name: String) async throws -> Repository {
                    try await client.repository(ImageReference(parsing: "\(registry.address)/\(name)"))
                }
                try await roundTrip(repository("team/app"), repository("team/other"))
            }
        }
    }

    @Test func `the same over TLS with a password`() async throws {
        try await DockerRegistry.run(asks: true, tls: true) { registry in
            var configuration = Harness.hasty
            var rule = RegistryRule(host: registry.address)
            rule.authorities = registry.authority
            configuration.rules = [rule]
            let credentials = RegistryCredentials.basic(user: DockerRegistry.user, password: DockerRegistry.password)
            try await Harness.with(configuration) { client in
                func repository(_ name: String, _ credentials: RegistryCredentials?) async throws -> Repository {
                    try await client.repository(
                        ImageReference(parsing: "\(registry.address)/\(name)"), credentials: credentials)
                }
                try await roundTrip(repository("team/app", credentials), repository("team/other", credentials))
                let nobody = try await repository("team/app", nil)
                #expect(await code { _ = try await nobody.head("v1") } == .unauthorized)
            }
            // Somebody else's word for who it is does not count.
            configuration.rules[0].authorities = nil
            configuration.rules[0].plainHTTP = false
            try await Harness.with(configuration) { client in
                let repository = try await client.repository(ImageReference(parsing: registry.address + "/team/app"))
                #expect(await code { _ = try await repository.head("v1") } == .failed)
            }
            configuration.rules[0].insecure = true
            try await Harness.with(configuration) { client in
                let repository = try await client.repository(
                    ImageReference(parsing: registry.address + "/team/app"), credentials: credentials)
                #expect(try await repository.head("v1").size > 0)
            }
        }
    }
}
