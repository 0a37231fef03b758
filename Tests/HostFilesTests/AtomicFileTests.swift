import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct AtomicFileTests {
    @Test func `a file is replaced with its mode, and nothing else is left`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/file"
            try AtomicFile.write([1, 2, 3], to: path, mode: 0o600)
            try AtomicFile.write([4], to: path, mode: 0o400)
            #expect(try Data(contentsOf: URL(filePath: path)) == Data([4]))
            #expect(try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int == 0o400)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["file"])
        }
    }

    @Test func `a file that cannot be replaced stays, and nothing else is left`() async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(
                atPath: directory + "/place/full", withIntermediateDirectories: true)
            #expect(throws: HostFilesError.self) { try AtomicFile.write([1], to: directory + "/place", mode: 0o600) }
            #expect(throws: HostFilesError.self) { try AtomicFile.write([1], to: directory + "/no/file", mode: 0o600) }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["place"])
        }
    }

    @Test func `readers see one of the versions, never a mixture`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/file"
            let size = 100_000
            try AtomicFile.write([UInt8](repeating: 0, count: size), to: path, mode: 0o600)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for version in 1...4 {
                    group.addTask {
                        for _ in 0..<10 {
                            try AtomicFile.write([UInt8](repeating: UInt8(version), count: size), to: path, mode: 0o600)
                        }
                    }
                }
                group.addTask {
                    for _ in 0..<40 {
                        let bytes = try #require(try Files.read(path, limit: size))
                        #expect(bytes.count == size && Set(bytes).count == 1)
                    }
                }
                try await group.waitForAll()
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["file"])
        }
    }
}
