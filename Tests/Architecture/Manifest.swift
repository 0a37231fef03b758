import Foundation
import Support

/// `Package.swift` as SwiftPM reads it.
struct Manifest: Decodable {
    struct Target: Decodable {
        var name: String
        var type: String
        var path: String?
        var dependencies: [Dependency]

        /// Where its sources are, by SwiftPM's rule.
        var folder: String { path ?? (type == "test" ? "Tests/\(name)" : "Sources/\(name)") }
    }

    /// `{"byName": ["Sockets", null]}` or `{"product": ["NIOCore", "swift-nio", null, null]}`.
    struct Dependency: Decodable {
        var name: String
        var package: String?
        /// Systems it is there for; empty is all of them.
        var systems: [String]

        /// Whether it is there on the system that runs us.
        var isOfThisSystem: Bool {
            #if os(macOS)
            systems.isEmpty || systems.contains("macos")
            #else
            systems.isEmpty || systems.contains("linux")
            #endif
        }

        init(from decoder: any Decoder) throws {
            let fields = try decoder.singleValueContainer().decode([String: [Ignored]].self)
            guard let (kind, values) = fields.first, let name = values.first?.text else {
                throw DecodingError.dataCorrupted(.init(codingPath: decoder.codingPath, debugDescription: "no name"))
            }
            self.name = name
            systems = values.compactMap(\.platforms).first ?? []
            package = kind == "product" && values.count > 1 ? values[1].text : nil
        }
    }

    struct Ignored: Decodable {
        var text: String?
        var platforms: [String]?

        private struct Condition: Decodable { var platformNames: [String] }

        init(from decoder: any Decoder) throws {
            let value = try decoder.singleValueContainer()
            text = try? value.decode(String.self)
            platforms = try? value.decode(Condition.self).platformNames
        }
    }

    var targets: [Target]

    /// Asks SwiftPM in a scratch directory of its own: the one in use is locked by the `swift test` that runs us.
    static func load(_ repository: Repository) throws -> Manifest {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent(
            "vzcri-manifest-\(UUID().uuidString)")
        defer { try? FileManager.default.removeItem(at: scratch) }
        let process = try ChildProcess(
            "/usr/bin/env",
            [
                "swift", "package", "--package-path", repository.root.path, "--scratch-path", scratch.path,
                "--disable-sandbox", "dump-package",
            ])
        return try JSONDecoder().decode(Manifest.self, from: Data(process.waitBlocking().output.utf8))
    }
}
