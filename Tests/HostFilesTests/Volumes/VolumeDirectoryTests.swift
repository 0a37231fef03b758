import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct VolumeDirectoryTests {
    private func attributes(_ path: String) throws -> (mode: Int, group: Int) {
        let found = try FileManager.default.attributesOfItem(atPath: path)
        return (try #require(found[.posixPermissions] as? Int), try #require(found[.groupOwnerAccountID] as? Int))
    }

    @Test func `a volume is open to every user of the pod and stays as it is left`() async throws {
        try await withTemporaryDirectory { directory in
            let volume = VolumeDirectory(root: directory, relative: "pods/1/volumes/cache")
            try await volume.make()
            #expect(try attributes(volume.path).mode == 0o777)
            #expect(try attributes(directory + "/pods/1").mode == 0o750)
            try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: volume.path)
            try Data("kept".utf8).write(to: URL(filePath: volume.path + "/file"))
            try await volume.make()
            #expect(try attributes(volume.path).mode == 0o700)
            #expect(FileManager.default.fileExists(atPath: volume.path + "/file"))
            try await volume.remove()
            try await volume.remove()
            #expect(!FileManager.default.fileExists(atPath: volume.path))
        }
    }

    @Test func `what a kill left of a volume is made anew`() async throws {
        try await withTemporaryDirectory { directory in
            let volume = VolumeDirectory(root: directory, relative: "cache")
            try FileManager.default.createDirectory(
                atPath: directory + "/cache.new/half", withIntermediateDirectories: true)
            try await volume.make()
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory) == ["cache"])
            #expect(try FileManager.default.contentsOfDirectory(atPath: volume.path) == [])
        }
    }

    @Test(.enabled(if: geteuid() == 0, "giving a directory to a group needs root"))
    func `a volume of an fsGroup belongs to it, as do new files in it`() async throws {
        try await withTemporaryDirectory { directory in
            let volume = VolumeDirectory(root: directory, relative: "cache")
            try await volume.make(group: 4242)
            let made = try attributes(volume.path)
            #expect(made.mode == 0o2777 && made.group == 4242)
            try Data().write(to: URL(filePath: volume.path + "/file"))
            #expect(try attributes(volume.path + "/file").group == 4242)
        }
    }

    @Test func `a link in a volume's place is refused`() async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory + "/out", withIntermediateDirectories: true)
            try FileManager.default.createSymbolicLink(atPath: directory + "/cache", withDestinationPath: "out")
            let error = await #expect(throws: HostFilesError.self) {
                try await VolumeDirectory(root: directory, relative: "cache").make()
            }
            #expect(error?.code == .escapes)
        }
    }

    @Test func `usage counts what is allocated, every file once`() async throws {
        try await withTemporaryDirectory { directory in
            let volume = VolumeDirectory(root: directory, relative: "cache")
            try await volume.make()
            let empty = try await volume.usage()
            #expect(empty.inodes == 1)
            try Data(repeating: 1, count: 1 << 20).write(to: URL(filePath: volume.path + "/file"))
            try FileManager.default.linkItem(atPath: volume.path + "/file", toPath: volume.path + "/same")
            try FileManager.default.createSymbolicLink(atPath: volume.path + "/link", withDestinationPath: "/usr")
            try FileManager.default.createDirectory(atPath: volume.path + "/sub", withIntermediateDirectories: true)
            let sparse = open(volume.path + "/sub/sparse", O_WRONLY | O_CREAT, 0o600)
            #expect(ftruncate(sparse, 1 << 30) == 0)
            close(sparse)
            // The same files, counted by the system's own tool.
            let usage = try await volume.usage()
            let du = try await ChildProcess.run("/usr/bin/du", ["-s", "-k", volume.path])
            #expect(usage.inodes == 5)
            #expect(du.output.split(separator: "\t").first.flatMap { UInt64($0) } == usage.bytes / 1024)
            #expect(usage.bytes >= 1 << 20 && usage.bytes < 1 << 21)
        }
    }
}
