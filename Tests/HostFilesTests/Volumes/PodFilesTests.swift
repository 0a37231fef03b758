import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct PodFilesTests {
    private func with(_ body: (_ base: String, _ files: PodFiles) throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let base = try SystemFiles.realPath(directory)
            try body(base, PodFiles(root: base + "/state"))
        }
    }

    private func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }
    private func read(_ path: String) throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: path))) }
    private func status(_ path: String) throws -> stat { try #require(try SystemFiles.status(path)) }
    private func names(_ path: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: path).sorted()
    }

    private func file(_ path: String, _ text: String, _ mode: UInt32 = 0o644) -> VolumeContent.File {
        VolumeContent.File(path: path, content: Array(text.utf8), mode: mode)
    }

    @Test func `files are written below a link that is replaced at once`() async throws {
        try await with { base, files throws in
            let path = try files.sync(
                pod: "u", volume: "v",
                VolumeContent(files: [file("a", "1"), file("d/b", "2", 0o600), file("d/e/c", "3")]))
            #expect(path == base + "/state/pods/u/volumes/kubernetes.io~projected/v")
            #expect(try text(path + "/a") == "1" && text(path + "/d/b") == "2" && text(path + "/d/e/c") == "3")
            #expect(try status(path + "/d/b").st_mode & 0o777 == 0o600)
            let first = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data")
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path + "/a") == "..data/a")
            #expect(try names(path) == ["..data", first, "a", "d"].sorted())

            _ = try files.sync(pod: "u", volume: "v", VolumeContent(files: [file("a", "new"), file("z", "")]))
            #expect(try text(path + "/a") == "new" && text(path + "/z").isEmpty)
            let second = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data")
            #expect(try second != first && names(path) == ["..data", second, "a", "z"].sorted())

            // The same again changes nothing.
            _ = try files.sync(pod: "u", volume: "v", VolumeContent(files: [file("z", ""), file("a", "new")]))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data") == second)
            // Another mode is another content.
            _ = try files.sync(pod: "u", volume: "v", VolumeContent(files: [file("z", ""), file("a", "new", 0o400)]))
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data") != second)
            _ = try files.sync(pod: "u", volume: "v", VolumeContent(files: []))
            #expect(try names(path).filter { !$0.hasPrefix("..") }.isEmpty)
        }
    }

    @Test func `what a container put into a volume of files is not followed`() async throws {
        try await with { base, files throws in
            let content = VolumeContent(files: [file("a", "1"), file("b", "2")])
            let path = try files.sync(pod: "u", volume: "v", content)
            try SystemFiles.makeDirectories(base + "/secret", mode: 0o755)
            try SystemFiles.write(base + "/secret/a", Array("kept".utf8), mode: 0o644)
            let manager = FileManager.default
            for name in ["..data", "a", "b"] { try manager.removeItem(atPath: "\(path)/\(name)") }
            try manager.createSymbolicLink(atPath: path + "/..data", withDestinationPath: base + "/secret")
            try manager.createSymbolicLink(atPath: path + "/..data_tmp", withDestinationPath: base + "/secret")
            try manager.createSymbolicLink(atPath: path + "/a", withDestinationPath: base + "/secret/a")
            try SystemFiles.makeDirectories(path + "/b/deep", mode: 0o755)
            try manager.createSymbolicLink(atPath: path + "/b/out", withDestinationPath: base + "/secret")
            _ = try files.sync(pod: "u", volume: "v", content)
            #expect(try text(path + "/a") == "1" && text(path + "/b") == "2" && text(base + "/secret/a") == "kept")
            #expect(try names(base + "/secret") == ["a"])
            // A link in the place of the whole volume is refused.
            try manager.removeItem(atPath: path)
            try manager.createSymbolicLink(atPath: path, withDestinationPath: base + "/secret")
            let error = #expect(throws: HostFilesError.self) { try files.sync(pod: "u", volume: "v", content) }
            #expect(error?.code == .escapes)
            #expect(try names(base + "/secret") == ["a"])
        }
    }

    @Test(arguments: [
        "", "/etc/passwd", "../x", "a/../b", "./a", "a//b", "a/", "..data", "..", "..x/y", "a\u{0}b",
        String(repeating: "n", count: 256), String(repeating: "d/", count: 100) + "f",
        String(repeating: "x", count: 1 << 20),
    ])
    func `a file of a volume has a plain path`(path: String) async throws {
        try await with { base, files throws in
            #expect(throws: HostFilesError.self) {
                try files.sync(pod: "u", volume: "v", VolumeContent(files: [file(path, "")]))
            }
            #expect(try SystemFiles.status(base + "/state") == nil)
        }
    }

    @Test func `what cannot be a volume is refused before anything is written`() async throws {
        var many = VolumeContent(files: (0...VolumeContent.fileLimit).map { file("f\($0)", "") })
        many.directoryMode = 0o755
        var full = VolumeContent.empty()
        full.files = [file("a", "")]
        let large = VolumeContent(files: [
            .init(path: "a", content: [UInt8](repeating: 0, count: VolumeContent.byteLimit + 1))
        ])
        let cases = [
            many, full, large, VolumeContent(files: [file("a", ""), file("a", "")]),
            VolumeContent(files: [file("a", ""), file("a/b", "")]), VolumeContent(files: [file("a", "", 0o1_000_000)]),
            VolumeContent(files: [], directoryMode: 0o100_000), VolumeContent(files: [], group: -1),
            VolumeContent(files: [], group: 1 << 40),
        ]
        try await with { base, files throws in
            for content in cases {
                #expect(throws: HostFilesError.self) { try files.sync(pod: "u", volume: "v", content) }
            }
            for name in ["", ".", "..", "a/b", "../x", "a\u{0}b", String(repeating: "n", count: 256)] {
                #expect(throws: HostFilesError.self) { try files.sync(pod: name, volume: "v", .empty()) }
                #expect(throws: HostFilesError.self) { try files.sync(pod: "u", volume: name, .empty()) }
                #expect(throws: HostFilesError.self) { try files.remove(pod: name) }
                #expect(throws: HostFilesError.self) { try files.usage(pod: name) }
                #expect(throws: HostFilesError.self) {
                    try files.terminationMessage(pod: "u", container: name, attempt: 0, limit: 10)
                }
                #expect(throws: HostFilesError.self) {
                    try files.containerFiles(pod: "u", container: name, attempt: 0, hosts: nil)
                }
            }
            #expect(try SystemFiles.status(base + "/volumes") == nil)
        }
    }

    @Test(.enabled(if: geteuid() == 0, "giving files away needs root"))
    func `a group may read the files it is given, and a user has them`() async throws {
        try await with { _, files throws in
            var content = VolumeContent(files: [file("d/a", "1", 0o600)], group: 4242)
            content.files[0].owner = 77
            let path = try files.sync(pod: "u", volume: "v", content)
            let found = try status(path + "/d/a")
            #expect(found.st_uid == 77 && found.st_gid == 4242 && found.st_mode & 0o7777 == 0o640)
            #expect(try status(path + "/d").st_mode & 0o7777 == 0o2775)
            let first = try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data")
            _ = try files.sync(pod: "u", volume: "v", content)
            #expect(try FileManager.default.destinationOfSymbolicLink(atPath: path + "/..data") == first)
        }
    }

    @Test func `a volume in memory holds no more than it may, and goes with its pod`() async throws {
        try await with { base, files throws in
            let path = try files.sync(pod: "u", volume: "v", .empty(isMemory: true, sizeLimit: 1 << 20))
            #expect(try status(path).st_mode & 0o777 == 0o777)
            try SystemFiles.write(path + "/kept", [1], mode: 0o600)
            #expect(try files.sync(pod: "u", volume: "v", .empty(isMemory: true, sizeLimit: 1 << 20)) == path)
            #expect(try read(path + "/kept") == [1])
            var content = VolumeContent(files: [file("a", "1")])
            content.isMemory = true
            let secret = try files.sync(pod: "u", volume: "s", content)
            #expect(try files.sync(pod: "u", volume: "s", content) == secret)
            #expect(try text(secret + "/a") == "1")
            if try status(path).st_dev != status(base).st_dev {
                let use = try #require(try files.usage(pod: "u").last)
                #expect(use.name == "v" && use.capacityBytes == 1 << 20)
                #expect(throws: HostFilesError.self) {
                    try SystemFiles.write(path + "/big", [UInt8](repeating: 1, count: 2 << 20), mode: 0o600)
                }
            }
            try files.remove(pod: "u")
            #expect(try files.pods().isEmpty)
        }
    }

    @Test func `usage names every volume, with what is left where it is`() async throws {
        try await with { _, files throws in
            #expect(try files.usage(pod: "u").isEmpty)
            _ = try files.sync(pod: "u", volume: "files", VolumeContent(files: [file("a", "1")]))
            let path = try files.sync(pod: "u", volume: "empty", .empty())
            try SystemFiles.write(path + "/big", [UInt8](repeating: 1, count: 300_000), mode: 0o600)
            let uses = try files.usage(pod: "u")
            #expect(uses.map(\.name) == ["empty", "files"])
            #expect(uses[0].usedBytes >= 300_000 && uses[0].inodesUsed == 2 && uses[0].capacityBytes > 0)
            #expect(uses[1].usedBytes < 300_000)
        }
    }

    @Test func `however deep a container nests its directories, what it wrote there counts`() async throws {
        try await with { _, files throws in
            let path = try files.sync(pod: "u", volume: "v", .empty())
            var here = try DirectoryHandle.open(path)
            for _ in 0..<1000 { here = try here.makeDirectories("d", mode: 0o755) }
            try here.create("big", [UInt8](repeating: 1, count: 1 << 20), mode: 0o600, owner: nil, group: nil)
            let use = try #require(try files.usage(pod: "u").first)
            #expect(use.usedBytes >= 1 << 20 && use.inodesUsed == 1002)
            #expect(throws: HostFilesError.self) { try files.usage(pod: "u", within: .zero) }
            try files.remove(pod: "u")
            #expect(try files.pods().isEmpty)
        }
    }

    @Test func `a container's last words are the end of its own file`() async throws {
        try await with { base, files throws in
            let made = try files.containerFiles(pod: "u", container: "c", attempt: 1, hosts: "127.0.0.1 localhost\n")
            let hosts = try #require(made.hosts)
            #expect(try text(hosts) == "127.0.0.1 localhost\n")
            #expect(try status(made.terminationMessage).st_mode & 0o777 == 0o666)
            func words() throws -> [UInt8]? {
                try files.terminationMessage(pod: "u", container: "c", attempt: 1, limit: 10)
            }
            #expect(try words() == nil)
            try SystemFiles.write(made.terminationMessage, Array("0123456789abc".utf8), mode: 0o666)
            #expect(try words() == Array("3456789abc".utf8))
            // The file stays the same one: it is mounted.
            let inode = try status(hosts).st_ino
            _ = try files.containerFiles(pod: "u", container: "c", attempt: 1, hosts: "other\n")
            #expect(try words() != nil)
            #expect(try status(hosts).st_ino == inode)
            #expect(try text(hosts) == "other\n")
            // What is no file is not waited for, and a link is not followed.
            try SystemFiles.write(base + "/secret", Array("secret".utf8), mode: 0o600)
            unlink(made.terminationMessage)
            mkfifo(made.terminationMessage, 0o666)
            #expect(throws: HostFilesError.self) { try words() }
            unlink(made.terminationMessage)
            symlink(base + "/secret", made.terminationMessage)
            #expect(throws: HostFilesError.self) { try words() }
        }
    }

    @Test func `a mount is found once its volume is made`() async throws {
        try await with { _, files throws in
            #expect(throws: HostFilesError.self) {
                try files.mount(.volume("v"), subPath: "", readOnly: true, pod: "u")
            }
            let path = try files.sync(pod: "u", volume: "v", VolumeContent(files: [file("d/a", "1")]))
            #expect(try files.mount(.volume("v"), subPath: "", readOnly: true, pod: "u") == path)
            let found = try files.mount(.volume("v"), subPath: "d/a", readOnly: true, pod: "u")
            #expect(try text(found) == "1")
            #expect(throws: HostFilesError.self) {
                try files.mount(.volume("v"), subPath: "../../..", readOnly: true, pod: "u")
            }
            #expect(try files.pods() == ["u"])
            try files.remove(pod: "u")
            try files.remove(pod: "u")
            #expect(try files.pods().isEmpty)
        }
    }
}
