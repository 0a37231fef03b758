import Foundation
import Processes
import Support
import Testing

/// What is made on a Mac only is at least well-formed.
@Suite("Packaging for the Mac")
struct PackagingTests {
    private let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    private func list(_ path: String) throws -> [String: Any] {
        let data = try Data(contentsOf: root.appending(path: path))
        return try #require(try PropertyListSerialization.propertyList(from: data, format: nil) as? [String: Any])
    }

    @Test("vm-host may run machines, and claims no more than it needs: what macOS does not grant, it kills for")
    func entitlements() throws {
        let nat: Set = [
            "com.apple.security.virtualization", "com.apple.security.network.client",
            "com.apple.security.network.server",
        ]
        for (file, keys) in [
            ("packaging/vm-host.entitlements", nat),
            ("packaging/vm-host-bridged.entitlements", nat.union(["com.apple.vm.networking"])),
        ] {
            let found = try list(file)
            #expect(Set(found.keys) == keys)
            #expect(found.values.allSatisfy { $0 as? Bool == true })
        }
    }

    @Test("VMHost.app names its program, and has no words about a microphone (R12)")
    func info() throws {
        let found = try list("packaging/Info.plist")
        #expect(found["CFBundleExecutable"] as? String == "vm-host")
        #expect(found["CFBundlePackageType"] as? String == "APPL")
        #expect(found["NSMicrophoneUsageDescription"] == nil)
    }

    private static let scripts = ["sign", "dist", "mac-check"]

    @Test("scripts are well-formed, and name files that there are", arguments: scripts + ["mac-lib.sh"])
    func syntax(_ name: String) async throws {
        let path = root.appending(path: "scripts/\(name)").path
        _ = try await Command.checked("bash", ["-n", path])
        let text = try String(contentsOfFile: path, encoding: .utf8)
        for match in text.matches(of: /packaging\/[A-Za-z.-]+[a-z]/) {
            #expect(FileManager.default.fileExists(atPath: root.appending(path: String(match.output)).path))
        }
    }

    #if VIRTUALIZATION_DOUBLE
    @Test("scripts say plainly that they need a Mac", arguments: scripts)
    func elsewhere(_ name: String) async throws {
        let result = try await Command.run("bash", [root.appending(path: "scripts/\(name)").path])
        #expect(result.end == .exited(code: 3))
        #expect(result.errorText.contains("needs a Mac"))
        #expect(try String(contentsOf: root.appending(path: "Makefile"), encoding: .utf8).contains("\n\(name): ##"))
    }
    #endif
}
