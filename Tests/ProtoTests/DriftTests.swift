import Foundation
import Support
import Testing

/// The committed generated code is what the generators make of proto/ today.
@Suite("Generated code")
struct DriftTests {
    private let root = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private func run(_ executable: URL, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let outcome = try ChildProcess(executable.path, arguments, directory: root.path).waitBlocking()
        return (outcome.code, outcome.output + outcome.errors)
    }

    private func compare(_ made: URL, with committed: URL) throws {
        let names = try FileManager.default.subpathsOfDirectory(atPath: made.path).filter {
            !$0.isEmpty && $0.contains(".")
        }
        #expect(!names.isEmpty)
        for name in names {
            let fresh = try Data(contentsOf: made.appendingPathComponent(name))
            let kept = try? Data(contentsOf: committed.appendingPathComponent(name))
            #expect(fresh == kept, "\(name) differs from what the generator writes: run make proto")
        }
    }

    private func temporary() throws -> URL {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(
            "vzcri-drift-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        return directory
    }

    @Test("the Swift side is current")
    func swift() throws {
        let directory = try temporary()
        defer { try? FileManager.default.removeItem(at: directory) }
        let built = Bundle.main.bundleURL.appendingPathComponent("proto-gen")
        let tool =
            FileManager.default.isExecutableFile(atPath: built.path)
            ? built
            : URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent().appendingPathComponent(
                "proto-gen")
        let result = try run(tool, [directory.path])
        #expect(result.status == 0, "\(result.output)")
        try compare(directory, with: root.appendingPathComponent("Sources/Proto/Generated"))
    }

    private static let skipC: Bool = {
        let found = ["/usr/bin", "/usr/local/bin", "/opt/homebrew/bin"]
            .contains { FileManager.default.isExecutableFile(atPath: $0 + "/protoc-c") }
        return !found && ProcessInfo.processInfo.environment["CI"] == nil
    }()

    @Test("the C side is current", .disabled(if: skipC, "skipped, because protoc-c is not installed"))
    func c() throws {
        let directory = try temporary()
        defer { try? FileManager.default.removeItem(at: directory) }
        let result = try run(URL(fileURLWithPath: "/usr/bin/env"), ["bash", "proto/generate.sh", directory.path])
        #expect(result.status == 0, "\(result.output)")
        try compare(directory, with: root.appendingPathComponent("Sources/CProto"))
    }
}
