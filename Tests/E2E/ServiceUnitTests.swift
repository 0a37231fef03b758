import Foundation
import Support
import Testing

/// The service units in `examples/`, as an administrator would install them.
@Suite("Service units", .timeLimit(.minutes(1))) struct ServiceUnitTests {
    private static let examples = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent().appending(path: "examples")

    private static func unit(_ name: String) throws -> [String: [String]] {
        let text = try String(contentsOf: examples.appending(path: "systemd/\(name).service"), encoding: .utf8)
        var settings: [String: [String]] = [:]
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            let parts = line.split(separator: "=", maxSplits: 1).map(String.init)
            if parts.count == 2 { settings[parts[0], default: []].append(parts[1]) }
        }
        return settings
    }

    private static func agent(_ name: String) throws -> [String: Any] {
        let data = try Data(contentsOf: examples.appending(path: "launchd/dev.vzcri.\(name).plist"))
        let value = try PropertyListSerialization.propertyList(from: data, format: nil)
        return try #require(value as? [String: Any])
    }

    @Test("stopping a daemon's service leaves the supervisors and their sockets alone")
    func children() throws {
        for name in ["cri-shim", "vk-adapter"] {
            #expect(try Self.unit(name)["KillMode"] == ["process"])
            #expect(try Self.agent(name)["AbandonProcessGroup"] as? Bool == true)
        }
        let shim = try Self.unit("cri-shim")
        #expect(shim["Delegate"] == ["yes"])
        #expect(shim["RuntimeDirectory"] == ["vz-cri"] && shim["RuntimeDirectoryPreserve"] == ["yes"])
    }

    @Test("the command lines of all units are ones the programs take", arguments: ["cri-shim", "vk-adapter"])
    func commandLines(name: String) async throws {
        let systemd = try #require(try Self.unit(name)["ExecStart"]?.first).split(separator: " ").map(String.init)
        let launchd = try #require(try Self.agent(name)["ProgramArguments"] as? [String])
        try await withTemporaryDirectory { directory in
            let file = directory + "/config.yaml"
            try Data().write(to: URL(filePath: file))
            for line in [systemd, launchd] {
                #expect(line[0] == "/usr/local/bin/\(name)")
                var arguments = Array(line.dropFirst())
                if let index = arguments.firstIndex(of: "--config") { arguments.removeSubrange(index...(index + 1)) }
                let outcome = try await Programs.run(name, arguments + ["--config", file, "--print-config"])
                #expect(outcome.code == 0, "\(outcome.errors)")
            }
        }
    }

    #if os(Linux)
    private static let hasSystemd = FileManager.default.isExecutableFile(atPath: "/usr/bin/systemd-analyze")

    @Test(
        "systemd finds nothing wrong with its units",
        .enabled(if: hasSystemd, "skipped, because there is no systemd here"), arguments: ["cri-shim", "vk-adapter"])
    func lint(name: String) async throws {
        try await withTemporaryDirectory { directory in
            var text = try String(
                contentsOf: Self.examples.appending(path: "systemd/\(name).service"), encoding: .utf8)
            // It wants the program to be there.
            text.replace("/usr/local/bin/\(name)", with: Programs.path(name))
            let file = "\(directory)/\(name).service"
            try text.write(toFile: file, atomically: false, encoding: .utf8)
            let outcome = try await ChildProcess.run(
                "/usr/bin/systemd-analyze", ["verify", "--man=no", "--recursive-errors=no", file], limit: .seconds(30))
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(!outcome.errors.contains(name), "\(outcome.errors)")
        }
    }
    #endif
}
