import Foundation
import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Registry
import RegistryDouble
import Testing

/// Bringing things to a registry.
@Suite struct UploadTests {
    private func body(_ bytes: [UInt8], pieces: Int = 10_000) -> BlobBody {
        BlobBody(size: Int64(bytes.count)) { from in
            let (stream, continuation) = AsyncStream.makeStream(of: ByteBuffer.self)
            for start in stride(from: Int(from), to: bytes.count, by: pieces) {
                continuation.yield(ByteBuffer(bytes: bytes[start..<min(bytes.count, start + pieces)]))
            }
            continuation.finish()
            return BlobStream(range: from..<Int64(bytes.count), stream)
        }
    }

    private func descriptor(_ bytes: [UInt8]) -> Descriptor {
        Descriptor(mediaType: "a/b", digest: Digest.sha256(bytes), size: Int64(bytes.count))
    }

    @Test("a blob arrives, however large its chunks", arguments: [nil, 1000, 40_000, 100_000] as [Int64?])
    func chunks(chunk: Int64?) async throws {
        var configuration = Harness.hasty
        configuration.uploadChunk = chunk
        try await Harness.run(configuration) { harness in
            let content = Harness.bytes(100_000)
            let blob = descriptor(content)
            let repository = try await harness.repository()
            #expect(try await !repository.exists(blob.digest))
            try await repository.upload(blob, body(content))
            #expect(try await repository.exists(blob.digest))
            #expect(try await repository.blob(blob).bytes() == content)
            let sent = harness.registry.seen.filter { $0.method == .PATCH }.count
            #expect(sent == chunk.map { Int((100_000 + $0 - 1) / $0) } ?? 0)
        }
    }

    @Test("an upload that breaks goes on from where the registry is", arguments: [1, 25_000, 99_999])
    func resumed(after count: Int) async throws {
        var configuration = Harness.hasty
        configuration.uploadChunk = 50_000
        try await Harness.run(configuration) { harness in
            let content = Harness.bytes(100_000)
            let blob = descriptor(content)
            harness.registry.breakUpload(after: count % 50_000)
            let repository = try await harness.repository()
            try await repository.upload(blob, body(content))
            #expect(try await repository.blob(blob).bytes() == content)
            // One byte and none look alike: then the upload is begun anew.
            let begun = harness.registry.seen.filter { $0.method == .POST }.count
            #expect(begun == (count == 1 ? 2 : 1))
        }
    }

    @Test func `a large blob goes in one piece unless that is too large for the registry`() async throws {
        try await Harness.run { harness in
            let content = Harness.bytes(5 << 20)
            let blob = descriptor(content)
            let repository = try await harness.repository()
            try await repository.upload(blob, body(content, pieces: 1 << 18))
            #expect(harness.registry.seen.filter { $0.method == .PATCH }.count == 1)
            #expect(harness.registry.blob(blob.digest)?.readableBytes == content.count)
        }
    }

    @Test func `a session that the registry forgot is begun anew`() async throws {
        var configuration = Harness.hasty
        configuration.uploadChunk = 30_000
        try await Harness.run(configuration) { harness in
            let content = Harness.bytes(100_000)
            let blob = descriptor(content)
            harness.registry.breakUpload(after: 10_000)
            let counter = PullTests.Counter()
            harness.registry.intercept { request in
                request.method == .GET && counter.next() == 1 ? HTTPResponse(.notFound) : nil
            }
            let repository = try await harness.repository()
            try await repository.upload(blob, body(content))
            #expect(harness.registry.blob(blob.digest).map { Array($0.readableBytesView) } == content)
        }
    }

    @Test func `content that is not what its digest says is refused`() async throws {
        try await Harness.run { harness in
            let blob = descriptor(Harness.bytes(1000))
            let repository = try await harness.repository()
            #expect(await code { try await repository.upload(blob, body(Harness.bytes(1000, seed: 2))) } == .failed)
            #expect(await code { try await repository.upload(blob, body([1])) } == .invalidArgument)
        }
    }

    @Test func `what cannot be read is the reader's error`() async throws {
        struct Unreadable: Error {}
        try await Harness.run { harness in
            let blob = descriptor(Harness.bytes(1000))
            let broken = BlobBody(size: 1000) { from in
                BlobStream(
                    range: from..<1000, AsyncThrowingStream<ByteBuffer, any Error> { $0.finish(throwing: Unreadable()) }
                )
            }
            let repository = try await harness.repository()
            await #expect(throws: Unreadable.self) { () async throws in try await repository.upload(blob, broken) }
        }
    }

    @Test("a blob is taken over from another repository where the registry does that", arguments: [true, false])
    func mounted(takesMounts: Bool) async throws {
        try await Harness.run { harness in
            harness.registry.set(access: .tokens(user: "u", password: "p"))
            harness.registry.set(takesMounts: takesMounts)
            let blob = harness.registry.add(blob: Harness.bytes(1000), to: "base/app")
            let repository = try await harness.repository("team/app", .basic(user: "u", password: "p"))
            #expect(try await repository.mount(blob.digest, from: "base/app") == takesMounts)
            #expect(try await repository.exists(blob.digest) == takesMounts)
            let asked = harness.registry.seen.last { $0.path == "/token" && $0.target.contains("base") }
            #expect(asked != nil)
            #expect(harness.registry.seen.contains { $0.method == .DELETE } == !takesMounts)
        }
    }

    @Test func `a manifest is put under its tag and its digest`() async throws {
        try await Harness.run { harness in
            let subject = Descriptor(mediaType: MediaType.manifest, digest: Digest.sha256([1]), size: 1)
            let manifest = OCIManifest(
                artifactType: "x/y",
                config: .init(mediaType: MediaType.empty, digest: Digest.sha256(Array("{}".utf8)), size: 2),
                layers: [], subject: subject)
            let bytes = [UInt8](try JSONEncoder().encode(manifest))
            let repository = try await harness.repository()
            let digest = try await repository.putManifest(bytes, mediaType: MediaType.manifest, tag: "v1")
            let back = try await repository.resolve("v1")
            #expect(back.descriptor.digest == digest)
            #expect(back.bytes == bytes)
            #expect(back.manifest == manifest)
            #expect(try await repository.putManifest(bytes, mediaType: MediaType.manifest) == digest)
        }
    }

    @Test func `a registry that is full says so in its own words`() async throws {
        try await Harness.run { harness in
            harness.registry.intercept { _ in
                HTTPResponse(
                    .forbidden, text: #"{"errors":[{"code":"DENIED","message":"quota exceeded\u0007"}]}"#,
                    type: "application/json")
            }
            let repository = try await harness.repository()
            await #expect { () async throws in
                try await repository.upload(descriptor([1]), body([1]))
            } throws: { "\($0)".contains("DENIED: quota exceeded") }
        }
    }
}
