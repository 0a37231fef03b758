import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct SubPathTests {
    /// A volume with a few files, beside a directory nobody may reach from it.
    private func withVolume(_ body: (_ base: String, _ volume: String) throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let base = try SystemFiles.realPath(directory)
            for name in ["volume/real/inner", "secret"] {
                try SystemFiles.makeDirectories("\(base)/\(name)", mode: 0o755)
            }
            try SystemFiles.write("\(base)/volume/file", Array("text".utf8), mode: 0o644)
            try body(base, base + "/volume")
        }
    }

    private func link(_ path: String, to target: String) throws {
        try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    @Test func `a subPath is found, made when missing, and may go through links that stay inside`() async throws {
        try await withVolume { _, volume throws in
            try link(volume + "/link", to: "real")
            try link(volume + "/absolute", to: volume + "/real/inner")
            try link(volume + "/real/up", to: "../file")
            #expect(try SubPath.resolve("real/inner", in: volume) == volume + "/real/inner")
            #expect(try SubPath.resolve("link/inner", in: volume) == volume + "/real/inner")
            #expect(try SubPath.resolve("absolute", in: volume) == volume + "/real/inner")
            #expect(try SubPath.resolve("real/up", in: volume) == volume + "/file")
            #expect(try SubPath.resolve("./new//deep/", in: volume) == volume + "/new/deep")
            #expect(try SystemFiles.status(volume + "/new/deep") != nil)
        }
    }

    @Test(arguments: [
        "..", "real/../../secret", "out", "out/x", "absolute", "chain", "loop", "file/x", "real/out2", "a\u{0}b",
        String(repeating: "n", count: 300), String(repeating: "d/", count: 3000),
    ])
    func `a subPath never leaves the volume`(path: String) async throws {
        try await withVolume { base, volume throws in
            try link(volume + "/out", to: "../secret")
            try link(volume + "/absolute", to: base + "/secret")
            try link(volume + "/chain", to: "out")
            try link(volume + "/loop", to: "loop")
            try link(volume + "/real/out2", to: "../../volume2")
            #expect(throws: HostFilesError.self) { try SubPath.resolve(path, in: volume) }
            #expect(try SystemFiles.status(base + "/secret/x") == nil)
            #expect(try SystemFiles.status(base + "/volume2") == nil)
        }
    }
}
