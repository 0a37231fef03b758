import Foundation
import HTTP
import NIOCore
import NIOHTTP1
import Registry
import RegistryDouble
import Support
import Testing

/// Who we are, and to whom we say it.
@Suite struct AccessTests {
    private static let manifest = #"{"schemaVersion":2,"config":{"mediaType":"a/b","digest":"x","size":1},"layers":[]}"#

    private func prepare(_ harness: Harness, _ access: RegistryDouble.Access) -> Descriptor {
        harness.registry.set(access: access)
        harness.registry.add(manifest: Self.manifest, to: "team/app", tag: "v1")
        return harness.registry.add(blob: Harness.bytes(1000), to: "team/app")
    }

    private func tokenRequests(_ harness: Harness) -> Int { harness.registry.seen.filter { $0.path == "/token" }.count }

    @Test func `a name and a password are shown to who asks for them`() async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .basic(user: "u", password: "p:q"))
            let repository = try await harness.repository("team/app", .basic(user: "u", password: "p:q"))
            _ = try await repository.head("v1")
            _ = try await repository.head("v1")
            #expect(harness.registry.seen.map { $0.headers.contains(name: "Authorization") } == [false, true, true])
        }
    }

    @Test(
        "who may not is told so, once",
        arguments: [nil, .basic(user: "u", password: "wrong"), .registryToken("x")] as [RegistryCredentials?])
    func refused(credentials: RegistryCredentials?) async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .basic(user: "u", password: "p"))
            let repository = try await harness.repository("team/app", credentials)
            #expect(await code { _ = try await repository.head("v1") } == .unauthorized)
            #expect(harness.registry.seen.count <= 2)
        }
    }

    @Test func `a token for nobody in particular is fetched once, however many want it`() async throws {
        try await Harness.run { harness in
            let blob = prepare(harness, .tokens(user: "u", password: "p"))
            let repository = try await harness.repository()
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<20 { group.addTask { try await repository.blob(blob, range: 0..<10).bytes().count } }
                for try await count in group { #expect(count == 10) }
            }
            #expect(tokenRequests(harness) == 1)
        }
    }

    @Test(
        "tokens are fetched with every form of credentials",
        arguments: [.basic(user: "u", password: "p"), .identityToken("refresh-u")] as [RegistryCredentials])
    func tokens(credentials: RegistryCredentials) async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .privateTokens(user: "u", password: "p"))
            let repository = try await harness.repository("team/app", credentials)
            _ = try await repository.head("v1")
            _ = try await repository.head("v1")
            #expect(tokenRequests(harness) == 1)
        }
    }

    @Test(
        "a token server that knows nobody of that name is not asked again",
        arguments: [
            nil, .basic(user: "u", password: "wrong"), .identityToken("wrong"),
        ] as [RegistryCredentials?])
    func wrongTokens(credentials: RegistryCredentials?) async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .privateTokens(user: "u", password: "p"))
            let repository = try await harness.repository("team/app", credentials)
            #expect(await code { _ = try await repository.head("v1") } == .unauthorized)
            #expect(tokenRequests(harness) == 1)
        }
    }

    @Test func `a token that counts no more is fetched anew`() async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .tokens(user: "u", password: "p"))
            let repository = try await harness.repository()
            _ = try await repository.head("v1")
            harness.registry.forgetTokens()
            _ = try await repository.head("v1")
            #expect(tokenRequests(harness) == 2)
        }
    }

    @Test func `a token of one caller is never another's`() async throws {
        try await Harness.run { harness in
            _ = prepare(harness, .privateTokens(user: "u", password: "p"))
            _ = try await harness.repository("team/app", .basic(user: "u", password: "p")).head("v1")
            let nobody = try await harness.repository()
            #expect(await code { _ = try await nobody.head("v1") } == .unauthorized)
        }
    }

    @Test func `where a blob really is, credentials are not shown`() async throws {
        try await Harness.run { storage in
            try await RegistryDouble.run { registry in
                let content = Harness.bytes(5000)
                let blob = storage.registry.add(blob: content, to: "store")
                registry.set(access: .basic(user: "u", password: "p"))
                let place = "http://\(storage.registry.address)/v2/store/blobs/\(blob.digest)?signature=secret"
                registry.intercept { request in
                    guard request.headers.contains(name: "Authorization") else { return nil }
                    return HTTPResponse(.temporaryRedirect, headers: ["Location": place])
                }
                let repository = try await storage.client.repository(
                    ImageReference(parsing: registry.address + "/team/app"),
                    credentials: .basic(user: "u", password: "p"))
                #expect(try await repository.blob(blob, range: 10..<20).bytes() == Array(content[10..<20]))
                #expect(storage.registry.seen.allSatisfy { !$0.headers.contains(name: "Authorization") })
                #expect(storage.registry.seen.first?.headers.first(name: "Range") == "bytes=10-19")
                // A refusal there names no signature.
                storage.registry.intercept { _ in HTTPResponse(.forbidden) }
                await #expect { () async throws in
                    _ = try await repository.blob(blob)
                } throws: { ($0 as? RegistryError)?.code == .forbidden && !"\($0)".contains("secret") }
            }
        }
    }

    @Test func `where a blob is needs to be asked once, until it is somewhere else`() async throws {
        try await Harness.run { storage in
            try await RegistryDouble.run { registry in
                let content = Harness.bytes(5000)
                let blob = storage.registry.add(blob: content, to: "store")
                let place = "http://\(storage.registry.address)/v2/store/blobs/\(blob.digest)"
                registry.intercept { _ in HTTPResponse(.temporaryRedirect, headers: ["Location": place]) }
                let repository = try await storage.client.repository(
                    ImageReference(parsing: registry.address + "/team/app"))
                for start in [Int64(0), 1000, 2000] {
                    _ = try await repository.blob(blob, range: start..<(start + 10)).bytes()
                }
                #expect(registry.seen.count == 1)
                let counter = PullTests.Counter()
                storage.registry.intercept { _ in counter.next() == 1 ? HTTPResponse(.forbidden) : nil }
                let read = try await repository.blob(blob, range: 3000..<3010).bytes()
                #expect(read == Array(content[3000..<3010]))
                #expect(registry.seen.count == 2)
            }
        }
    }

    @Test func `redirects without an end are not followed to it`() async throws {
        try await Harness.run { harness in
            harness.registry.intercept { HTTPResponse(.found, headers: ["Location": $0.target]) }
            let repository = try await harness.repository()
            #expect(await code { _ = try await repository.head("v1") } == .failed)
            #expect(harness.registry.seen.count == 6)
        }
    }

    // MARK: Docker's file

    private func with(_ file: String, _ body: (Harness) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            try await RegistryDouble.run { registry in
                var configuration = Harness.hasty
                configuration.credentialFile = directory + "/config.json"
                let text = file.replacing("ADDRESS", with: registry.address)
                try Data(text.utf8).write(to: URL(filePath: directory + "/config.json"))
                try await Harness.with(configuration) { client in
                    try await body(Harness(registry: registry, client: client))
                }
            }
        }
    }

    @Test(
        "who brings no credentials has those of the named file",
        arguments: [
            #"{"auths":{"ADDRESS":{"auth":"dTpw"}}}"#,
            #"{"auths":{"https://ADDRESS/v2/":{"username":"u","password":"p"}}}"#,
            #"{"auths":{"ADDRESS":{"auth":"eDp5"},"ADDRESS/team":{"auth":"dTpw"},"ADDRESS/other":{"auth":"eDp5"}}}"#,
            #"{"auths":{"ADDRESS":{"auth":"dTpw"},"other":{"auth":"eDp5"}},"HttpHeaders":{"a":"b"}}"#,
        ])
    func file(text: String) async throws {
        try await with(text) { harness in
            _ = prepare(harness, .basic(user: "u", password: "p"))
            _ = try await harness.repository().head("v1")
            let other = try await harness.repository("team/app", .anonymous)
            #expect(await code { _ = try await other.head("v1") } == .unauthorized)
        }
    }

    @Test(
        "a file that cannot be read is an error that shows nothing of it",
        arguments: ["{\"auths\":hidden", "{\"auths\":{\"ADDRESS\":{\"auth\":\"hidden\"}}}"])
    func badFile(text: String) async throws {
        try await with(text) { harness in
            await #expect { () async throws in
                _ = try await harness.repository()
            } throws: { $0 is RegistryError && !"\($0)".contains("hidden") }
        }
    }
}
