import Foundation
import HTTP
import NIOConcurrencyHelpers
import NIOCore
import NIOHTTP1
import Registry
import RegistryDouble
import Testing

/// Reading from registries that behave, and from those that do not.
@Suite struct PullTests {
    private static let manifest =
        #"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":"#
        + #"{"mediaType":"a/b","digest":"sha256:0","size":1},"layers":[]}"#

    /// How often something has happened.
    final class Counter: Sendable {
        private let count = NIOLockedValueBox(0)
        func next() -> Int {
            count.withLockedValue { count in
                count += 1
                return count
            }
        }
    }

    // MARK: Manifests

    @Test func `a tag is resolved, and its bytes are kept as they are`() async throws {
        try await Harness.run { harness in
            let put = harness.registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
            let repository = try await harness.repository()
            #expect(try await repository.head("v1") == put)
            let image = try await repository.resolve("v1")
            #expect(image.descriptor == put)
            #expect(String(decoding: image.bytes, as: UTF8.self) == Self.manifest)
            #expect(image.manifest.config.mediaType == "a/b")
            #expect(image.index == nil)
            #expect(try await repository.resolve(put.digest).descriptor == put)
        }
    }

    @Test func `a list leads to the manifest for a platform`() async throws {
        try await Harness.run { harness in
            let put = harness.registry.add(manifest: Self.manifest, to: "team/app")
            let list = harness.registry.add(
                manifest: """
                    {"schemaVersion":2,"manifests":[{"mediaType":"\(MediaType.manifest)","digest":"\(put.digest)",
                    "size":\(put.size),"platform":{"os":"linux","architecture":"riscv64"}}]}
                    """, type: MediaType.dockerList, to: "team/app", tag: "v1")
            let repository = try await harness.repository()
            let image = try await repository.resolve("v1", platforms: [Platform(os: "linux", architecture: "riscv64")])
            #expect(image.descriptor == put)
            #expect(image.index == list)
            let missing = await code {
                _ = try await repository.resolve("v1", platforms: [Platform(os: "x", architecture: "y")])
            }
            #expect(missing == .notFound)
        }
    }

    @Test func `what is not there is not there at once`() async throws {
        try await Harness.run { harness in
            let repository = try await harness.repository()
            #expect(await code { _ = try await repository.head("v1") } == .notFound)
            #expect(harness.registry.seen.count == 1)
        }
    }

    @Test func `a manifest with another digest than was asked for is refused`() async throws {
        try await Harness.run { harness in
            harness.registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
            harness.registry.intercept { request in
                guard request.path.contains("/manifests/") else { return nil }
                return HTTPResponse(
                    .ok, headers: ["Content-Type": MediaType.manifest], body: .bytes(ByteBuffer(string: Self.manifest)))
            }
            let repository = try await harness.repository()
            let other = "sha256:" + String(repeating: "0", count: 64)
            #expect(await code { _ = try await repository.manifest(other) } == .wrongContent)
            #expect(try await repository.head("v1").size == Int64(Self.manifest.utf8.count))
        }
    }

    @Test(
        "what is no manifest is refused",
        arguments: [
            ("<html>", "text/html"), ("[]", MediaType.manifest),
            (#"{"mediaType":"application/vnd.docker.distribution.manifest.v1+json"}"#, "x/y"),
            (#"{"mediaType":"\#(MediaType.manifest)","manifests":[]}"#, MediaType.index),
        ])
    func noManifest(text: String, type: String) async throws {
        try await Harness.run { harness in
            harness.registry.add(manifest: text, type: type, to: "team/app", tag: "v1")
            let repository = try await harness.repository()
            let failure = await code { _ = try await repository.resolve("v1") }
            #expect(failure == .wrongContent || failure == .unsupported)
        }
    }

    @Test func `a manifest without an end is not read to it`() async throws {
        try await Harness.run { harness in
            harness.registry.intercept { _ in
                HTTPResponse(
                    .ok,
                    body: .stream { writer in
                        while true { try await writer.write(ByteBuffer(repeating: 0x20, count: 1 << 16)) }
                    })
            }
            let repository = try await harness.repository()
            #expect(await code { _ = try await repository.manifest("v1") } == .wrongContent)
        }
    }

    // MARK: Blobs

    @Test func `a blob comes whole and in ranges`() async throws {
        try await Harness.run { harness in
            let content = Harness.bytes(300_000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            let repository = try await harness.repository()
            let whole = try await repository.blob(blob)
            #expect(whole.range == 0..<300_000)
            #expect(try await whole.bytes() == content)
            let part = try await repository.blob(blob, range: 1000..<2000)
            #expect(part.range == 1000..<2000)
            #expect(try await part.bytes() == Array(content[1000..<2000]))
            #expect(try await repository.blob(blob, range: 5..<5).bytes().isEmpty)
            #expect(await code { _ = try await repository.blob(blob, range: 0..<300_001) } == .invalidArgument)
        }
    }

    @Test func `a registry without ranges gives the whole`() async throws {
        try await Harness.run { harness in
            harness.registry.set(servesRanges: false)
            let content = Harness.bytes(300_000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            let stream = try await harness.repository().blob(blob, range: 1000..<2000)
            #expect(stream.range == 0..<300_000)
            #expect(try await stream.bytes() == content)
        }
    }

    @Test("a transfer that breaks goes on where it was", arguments: [true, false])
    func resumed(servesRanges: Bool) async throws {
        try await Harness.run { harness in
            harness.registry.set(servesRanges: servesRanges)
            let content = Harness.bytes(400_000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            let counter = Counter()
            harness.registry.intercept { _ in
                switch counter.next() {
                case 1: RegistryDouble.cut(ByteBuffer(bytes: content), after: 150_000)
                case 2: HTTPResponse(.serviceUnavailable)
                case 3: HTTPResponse(.tooManyRequests, headers: ["Retry-After": "0"])
                default: nil
                }
            }
            let read = try await harness.repository().blob(blob).bytes()
            #expect(read == content)
            #expect(harness.registry.seen.count == 4)
            #expect(harness.registry.seen.last?.headers.first(name: "Range") != nil)
        }
    }

    @Test func `a transfer that stands still goes on anew`() async throws {
        var configuration = Harness.hasty
        configuration.timing.silence = .seconds(1)
        configuration.timing.attempts = 20
        try await Harness.run(configuration) { harness in
            let content = Harness.bytes(400_000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            let counter = Counter()
            harness.registry.intercept { _ in
                counter.next() == 1 ? RegistryDouble.stall(ByteBuffer(bytes: content), after: 150_000) : nil
            }
            let read = try await harness.repository().blob(blob).bytes()
            #expect(read == content)
            #expect(harness.registry.seen.count >= 2)
        }
    }

    @Test func `a server may serve less of a range at a time than it is asked for`() async throws {
        try await Harness.run { harness in
            let content = Harness.bytes(1000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            harness.registry.intercept { request in
                guard let text = request.headers.first(name: "Range")?.dropFirst(6),
                    let first = Int(text.prefix { $0 != "-" })
                else { return nil }
                let end = min(first + 100, 500)
                return HTTPResponse(
                    .partialContent, headers: ["Content-Range": "bytes \(first)-\(end - 1)/1000"],
                    body: .bytes(ByteBuffer(bytes: content[first..<end])))
            }
            let read = try await harness.repository().blob(blob, range: 0..<500).bytes()
            #expect(read == Array(content[..<500]))
            #expect(harness.registry.seen.count == 5)
        }
    }

    @Test func `who never gets on gives up`() async throws {
        try await Harness.run { harness in
            let content = Harness.bytes(1000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            harness.registry.intercept { _ in HTTPResponse(.badGateway) }
            #expect(await code { _ = try await harness.repository().blob(blob) } == .unavailable)
            #expect(harness.registry.seen.count == Harness.hasty.timing.attempts)
        }
    }

    @Test(
        "a registry that lies about what it serves is not believed",
        arguments: [
            (200, ["Content-Length": "5"]), (206, ["Content-Range": "bytes 0-99/1000"]),
            (206, ["Content-Range": "bytes 100-199/999"]), (206, ["Content-Range": "bytes 100-299/1000"]), (206, [:]),
            (416, [:]), (200, ["Content-Encoding": "gzip", "Content-Length": "1000"]),
        ] as [(Int, [String: String])])
    func lies(status: Int, headers: [String: String]) async throws {
        try await Harness.run { harness in
            let blob = harness.registry.add(blob: Harness.bytes(1000), to: "team/app")
            harness.registry.intercept { _ in
                var answer = HTTPResponse(.init(statusCode: status), body: .stream { _ in })
                for (name, value) in headers { answer.headers.add(name: name, value: value) }
                return answer
            }
            let repository = try await harness.repository()
            #expect(await code { _ = try await repository.blob(blob, range: 100..<200).bytes() } == .wrongContent)
        }
    }

    @Test("more or less than was announced is an error", arguments: [999, 1001])
    func length(count: Int) async throws {
        try await Harness.run { harness in
            let blob = harness.registry.add(blob: Harness.bytes(1000), to: "team/app")
            harness.registry.intercept { _ in
                HTTPResponse(.ok, body: .stream { try await $0.write(ByteBuffer(repeating: 1, count: count)) })
            }
            let repository = try await harness.repository()
            let failure = await code { _ = try await repository.blob(blob).bytes() }
            #expect(failure == (count > 1000 ? .wrongContent : .unavailable))
        }
    }

    @Test func `who is cancelled lets go of the connection`() async throws {
        try await Harness.run { harness in
            let content = Harness.bytes(1000)
            let blob = harness.registry.add(blob: content, to: "team/app")
            let (gone, tell) = AsyncStream.makeStream(of: Void.self)
            harness.registry.intercept { _ in
                HTTPResponse(
                    .ok, headers: ["Content-Length": "1000"],
                    body: .stream { writer in
                        defer { tell.finish() }
                        try await writer.write(ByteBuffer(bytes: content[..<10]))
                        try await Task.sleep(for: .seconds(600))
                    })
            }
            let configuration = Harness.hasty
            try await Harness.with(configuration) { client in
                let repository = try await client.repository(
                    ImageReference(parsing: "\(harness.registry.address)/team/app"))
                let (begun, tellBegun) = AsyncStream.makeStream(of: Void.self)
                let reading = Task {
                    for try await _ in try await repository.blob(blob) { tellBegun.finish() }
                }
                for await _ in begun {}
                reading.cancel()
                await #expect(throws: CancellationError.self) { () async throws in try await reading.value }
                for await _ in gone {}
            }
        }
    }

    @Test func `a long pause is not waited for`() async throws {
        try await Harness.run { harness in
            harness.registry.intercept { _ in HTTPResponse(.tooManyRequests, headers: ["Retry-After": "3600"]) }
            let repository = try await harness.repository()
            #expect(await code { _ = try await repository.head("v1") } == .tooManyRequests)
            #expect(harness.registry.seen.count == 1)
        }
    }

    // MARK: Mirrors

    @Test func `a mirror that stops half-way is left, and the registry has the rest`() async throws {
        try await Harness.run { mirror in
            try await RegistryDouble.run { registry in
                let content = Harness.bytes(100_000)
                let blob = registry.add(blob: content, to: "team/app")
                mirror.registry.add(blob: content, to: "team/app")
                let counter = Counter()
                mirror.registry.intercept { _ in
                    counter.next() == 1
                        ? RegistryDouble.cut(ByteBuffer(bytes: content), after: 40_000) : HTTPResponse(.badGateway)
                }
                var configuration = Harness.hasty
                var rule = RegistryRule(host: registry.address)
                rule.mirrors = [mirror.registry.address]
                configuration.rules = [rule]
                try await Harness.with(configuration) { client in
                    let repository = try await client.repository(
                        ImageReference(parsing: registry.address + "/team/app"))
                    let read = try await repository.blob(blob).bytes()
                    #expect(read == content)
                    #expect(registry.seen.count == 1)
                    #expect(registry.seen.first?.headers.first(name: "Range") != nil)
                }
            }
        }
    }

    @Test func `a mirror is asked first, and what it does not have the registry has`() async throws {
        try await Harness.run { mirror in
            try await RegistryDouble.run { registry in
                let content = Harness.bytes(1000)
                let put = registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
                mirror.registry.add(manifest: Self.manifest, to: "hub/team/app", tag: "v1")
                let blob = registry.add(blob: content, to: "team/app")
                var configuration = Harness.hasty
                var rule = RegistryRule(host: registry.address)
                rule.mirrors = ["127.0.0.1:1", mirror.registry.address + "/hub"]
                configuration.rules = [rule]
                try await Harness.with(configuration) { client in
                    let repository = try await client.repository(
                        ImageReference(parsing: registry.address + "/team/app"),
                        credentials: .registryToken("not for mirrors"))
                    #expect(try await repository.head("v1") == put)
                    #expect(registry.seen.isEmpty)
                    #expect(try await repository.blob(blob).bytes() == content)
                    #expect(mirror.registry.seen.allSatisfy { !$0.headers.contains(name: "Authorization") })
                    #expect(registry.seen.allSatisfy { $0.headers.contains(name: "Authorization") })
                }
            }
        }
    }

    @Test func `who may have an image the registry says, and where it cannot be reached its mirrors`() async throws {
        try await Harness.run { mirror in
            let put = mirror.registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
            func checked(_ registry: String) async throws -> Descriptor {
                var configuration = Harness.hasty
                var rule = RegistryRule(host: registry)
                rule.mirrors = [mirror.registry.address]
                configuration.rules = [rule]
                return try await Harness.with(configuration) { client in
                    try await client.repository(ImageReference(parsing: registry + "/team/app")).check("v1")
                }
            }
            // Nobody is at port 1.
            #expect(try await checked("127.0.0.1:1") == put)
            // A registry that answers has the last word.
            try await RegistryDouble.run { registry in
                let asked = mirror.registry.seen.count
                await #expect { _ = try await checked(registry.address) } throws: {
                    ($0 as? RegistryError)?.code == .notFound
                }
                #expect(mirror.registry.seen.count == asked)
            }
            // Also when it sends one on to somebody who is silent.
            try await RegistryDouble.run { registry in
                registry.intercept { _ in
                    HTTPResponse(.temporaryRedirect, headers: ["Location": "http://127.0.0.1:1/elsewhere"])
                }
                let asked = mirror.registry.seen.count
                await #expect { _ = try await checked(registry.address) } throws: {
                    ($0 as? RegistryError)?.code == .unavailable
                }
                #expect(mirror.registry.seen.count == asked)
            }
            // Also that it is in trouble; and it is asked again.
            for status in [HTTPResponseStatus.tooManyRequests, .serviceUnavailable] {
                try await RegistryDouble.run { registry in
                    let own = registry.add(manifest: Self.manifest + " ", to: "team/app", tag: "v1")
                    let counter = Counter()
                    registry.intercept { _ in counter.next() == 1 ? HTTPResponse(status) : nil }
                    let asked = mirror.registry.seen.count
                    let found = try await checked(registry.address)
                    #expect(found == own && own != put)
                    #expect(mirror.registry.seen.count == asked)
                }
            }
        }
    }
}
