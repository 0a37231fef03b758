import Foundation
import KubeAPI
import Logging
import Support
import Testing

@testable import VKAdapter

/// Who may use a private image that is here.
struct PullRecordsTests {
    private static let image = "r.example/team/app:1"

    private static func use(_ name: String, _ hash: String = "h", uid: String = "u") -> PullSecretUse {
        PullSecretUse {
            $0.uid = uid
            $0.namespace = "default"
            $0.name = name
            $0.credentialHash = hash
        }
    }

    private func records(
        _ directory: String, _ kind: ImageAccessPolicy.Kind = .neverVerifyPreloadedImages, allowed: [String] = []
    ) -> PullRecords {
        PullRecords(
            directory: directory, policy: ImageAccessPolicy(kind: kind, allowed: allowed),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }))
    }

    private func mustPull(_ records: PullRecords, _ uses: [PullSecretUse] = []) async throws -> Bool {
        try await records.mustPull(Self.image, id: "i") { uses }
    }

    private func pull(_ records: PullRecords, with use: PullSecretUse?) async throws {
        try await records.begin(Self.image)
        await records.finished(Self.image, id: "i", with: use)
    }

    @Test func `an image is for whom its registry gave it, also after a restart`() async throws {
        try await withTemporaryDirectory { directory in
            try await pull(records(directory), with: Self.use("a"))
            let records = records(directory)
            #expect(try await mustPull(records))
            #expect(try await mustPull(records, [Self.use("b", "other", uid: "v")]))
            #expect(try await !mustPull(records, [Self.use("a", "renewed")]), "the same secret with a new password")
            #expect(try await !mustPull(records, [Self.use("c", "renewed", uid: "w")]), "which is known by now")
            #expect(try await records.mustPull("r.example/team/other:1", id: "i") { [Self.use("a")] }, "another name")
            #expect(try await !records.mustPull("r.example/team/app:2", id: "i") { [Self.use("a")] }, "another tag")
            try await pull(records, with: nil)
            #expect(try await !mustPull(records), "anybody may have it")
        }
    }

    @Test func `an image that came by another way is everybody's, unless the policy says otherwise`() async throws {
        try await withTemporaryDirectory { directory in
            #expect(try await !mustPull(records(directory)))
            #expect(try await mustPull(records(directory, .alwaysVerify)))
            let kind = ImageAccessPolicy.Kind.neverVerifyAllowlistedImages
            #expect(try await mustPull(records(directory, kind, allowed: ["r.example/team/ap", "r.example/tea/*"])))
            #expect(try await !mustPull(records(directory, kind, allowed: ["r.example/team/app"])))
            #expect(try await !mustPull(records(directory, kind, allowed: ["r.example/*"])))
            try await pull(records(directory), with: Self.use("a"))
            #expect(try await !mustPull(records(directory, .neverVerify)))
        }
    }

    @Test func `a pull whose end nobody saw leaves nothing that is everybody's`() async throws {
        try await withTemporaryDirectory { directory in
            try await records(directory).begin(Self.image)
            // Killed here; the runtime went on.
            let second = records(directory)
            #expect(try await mustPull(second, [Self.use("a")]))
            try await second.begin(Self.image)
            await second.failed(Self.image, isCertain: true)
            #expect(try await mustPull(second), "one who was refused does not open it")
            try await pull(second, with: Self.use("a"))
            #expect(try await !mustPull(second, [Self.use("a")]))
            #expect(try await mustPull(second))
            try await second.begin("r.example/team/none:1")
            await second.failed("r.example/team/none:1", isCertain: true)
            #expect(try FileManager.default.contentsOfDirectory(atPath: "\(directory)/pulling").isEmpty)
            try await second.begin("r.example/team/none:1")
            await second.failed("r.example/team/none:1", isCertain: false)
            #expect(try await records(directory).mustPull("r.example/team/none:1", id: "j") { [] })
        }
    }

    @Test func `what is gone is forgotten, and what cannot be read opens nothing`() async throws {
        try await withTemporaryDirectory { directory in
            let records = records(directory)
            try await pull(records, with: Self.use("a"))
            await records.prune(keeping: ["i"], since: Timestamp.now())
            await records.prune(keeping: [], since: Timestamp(seconds: 0))
            #expect(try await mustPull(records), "it came after the look")
            let names = try FileManager.default.contentsOfDirectory(atPath: "\(directory)/pulled")
            #expect(names.count == 1)
            let path = "\(directory)/pulled/\(try #require(names.first))"
            let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
            #expect(mode == 0o600)
            let whole = try Data(contentsOf: URL(filePath: path))
            try Data("{".utf8).write(to: URL(filePath: path))
            await records.prune(keeping: [], since: Timestamp.now())
            #expect(try await mustPull(records, [Self.use("a")]))
            try whole.write(to: URL(filePath: path))
            await records.prune(keeping: [], since: Timestamp.now())
            #expect(try await !mustPull(records), "nobody pulled what is there by now")
        }
    }
}
