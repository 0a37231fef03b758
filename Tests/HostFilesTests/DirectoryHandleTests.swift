import Foundation
import Support
import Testing

@testable import HostFiles

@Suite struct DirectoryHandleTests {
    private let files = FileManager.default

    private func make(_ path: String) throws {
        try files.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    private func link(_ path: String, to target: String) throws {
        try files.createSymbolicLink(atPath: path, withDestinationPath: target)
    }

    private func mode(_ path: String) throws -> Int {
        try #require(try files.attributesOfItem(atPath: path)[.posixPermissions] as? Int)
    }

    private func expectEscape(_ what: Comment, _ body: () throws -> Void) {
        let error = #expect(throws: HostFilesError.self, what) { try body() }
        #expect(error?.code == .escapes, what)
    }

    @Test(arguments: ["", "/", "/etc", "..", "a/..", "a/../../b", "./a", "a/./b", "a//b", "a/", "a\u{0}b"])
    func `a path that could lead out is refused`(_ path: String) async throws {
        try await withTemporaryDirectory { directory in
            try make(directory + "/in/a/b")
            let handle = try DirectoryHandle.open(directory + "/in")
            expectEscape("directory") { _ = try handle.directory(path) }
            expectEscape("make") { _ = try handle.makeDirectories(path, mode: 0o700) }
            expectEscape("read") { _ = try handle.read(path, limit: 10) }
            expectEscape("write") { try handle.write([1], to: path, mode: 0o600) }
            expectEscape("remove") { try handle.remove(path) }
            #expect(files.fileExists(atPath: directory + "/in/a/b"))
        }
    }

    @Test func `a link is not followed, wherever it stands`() async throws {
        try await withTemporaryDirectory { directory in
            try make(directory + "/out/deep")
            try make(directory + "/in")
            try Data("secret".utf8).write(to: URL(filePath: directory + "/out/file"))
            try link(directory + "/in/link", to: directory + "/out")
            try link(directory + "/in/relative", to: "../out")
            try link(directory + "/in/file", to: directory + "/out/file")
            let handle = try DirectoryHandle.open(directory + "/in")
            for name in ["link", "relative"] {
                expectEscape("directory") { _ = try handle.directory(name) }
                expectEscape("below") { _ = try handle.directory(name + "/deep") }
                expectEscape("make") { _ = try handle.makeDirectories(name + "/new", mode: 0o700) }
                expectEscape("read") { _ = try handle.read(name + "/file", limit: 10) }
                expectEscape("write") { try handle.write([1], to: name + "/file", mode: 0o600) }
                expectEscape("remove") { try handle.remove(name + "/deep") }
            }
            expectEscape("a file") { _ = try handle.read("file", limit: 10) }
            // Replaced, not followed.
            try handle.write(Array("mine".utf8), to: "file", mode: 0o600)
            #expect(try String(contentsOfFile: directory + "/out/file", encoding: .utf8) == "secret")
            #expect(try handle.read("file", limit: 10) == Array("mine".utf8))
            try handle.remove("link")
            #expect(try handle.names().sorted() == ["file", "relative"])
            #expect(try files.contentsOfDirectory(atPath: directory + "/out").sorted() == ["deep", "file"])
        }
    }

    @Test func `files are written whole, with their mode, and read back`() async throws {
        try await withTemporaryDirectory { directory in
            let handle = try DirectoryHandle.open(directory)
            _ = try handle.makeDirectories("a/b", mode: 0o751)
            #expect(try mode(directory + "/a") == 0o751)
            #expect(try mode(directory + "/a/b") == 0o751)
            #expect(try handle.read("a/b/file", limit: 10) == nil)
            #expect(try handle.read("missing/file", limit: 10) == nil)
            try handle.write([1, 2, 3], to: "a/b/file", mode: 0o666)
            try handle.write([4, 5], to: "a/b/file", mode: 0o640)
            #expect(try mode(directory + "/a/b/file") == 0o640)
            #expect(try handle.read("a/b/file", limit: 2) == [4, 5])
            #expect(throws: HostFilesError.self) { try handle.read("a/b/file", limit: 1) }
            #expect(throws: HostFilesError.self) { try handle.read("a/b", limit: 1000) }
            #expect(throws: HostFilesError.self) { try handle.write([1], to: "missing/file", mode: 0o600) }
            #expect(try handle.directory("a/b").names() == ["file"])
            try #require(mkfifo(directory + "/pipe", 0o600) == 0)
            #expect(throws: HostFilesError.self) { try handle.read("pipe", limit: 10) }
        }
    }

    @Test func `a tree goes with all that is in it, and nothing outside`() async throws {
        try await withTemporaryDirectory { directory in
            try make(directory + "/out")
            try Data("kept".utf8).write(to: URL(filePath: directory + "/out/file"))
            for name in ["", "/x", "/x/y", "/.hidden", "/z"] {
                try make(directory + "/in/tree" + name)
                try Data().write(to: URL(filePath: "\(directory)/in/tree\(name)/file"))
                try link("\(directory)/in/tree\(name)/link", to: directory + "/out")
            }
            try link(directory + "/in/tree/dangling", to: "nowhere")
            try #require(mkfifo(directory + "/in/tree/pipe", 0o600) == 0)
            try files.setAttributes([.posixPermissions: 0], ofItemAtPath: directory + "/in/tree/x/y")
            let handle = try DirectoryHandle.open(directory + "/in")
            try handle.remove("tree/z")
            try handle.remove("tree")
            try handle.remove("tree")
            try handle.remove("missing/tree")
            #expect(try handle.names() == [])
            #expect(try files.contentsOfDirectory(atPath: directory + "/out") == ["file"])
        }
    }

    @Test func `no depth of a tree exhausts stack or descriptors`() async throws {
        try await withTemporaryDirectory { directory in
            let handle = try DirectoryHandle.open(directory)
            var here = try handle.makeDirectories("tree", mode: 0o700)
            for number in 0..<3000 {
                here = try here.makeDirectories("d", mode: 0o700)
                if number % 100 == 0 { try here.write([1], to: "file", mode: 0o600) }
            }
            try handle.remove("tree")
            #expect(try handle.names() == [])
        }
    }

    #if os(Linux)
    @Test func `mounts at or below a path are found, whatever their names`() {
        let table = """
            22 1 8:1 / / rw - ext4 /dev/sda1 rw
            23 22 8:1 /x /pods/one/volume\\040a rw shared:1 - ext4 /dev/sda1 rw
            24 22 0:5 / /pods/one rw - tmpfs tmpfs rw
            25 22 0:5 / /pods/one-more rw - tmpfs tmpfs rw
            26 22 0:5 / /other/pods/one rw - tmpfs tmpfs rw
            broken
            """
        #expect(
            DirectoryHandle.mountPoints(at: Array("/pods/one".utf8), in: Array(table.utf8))
                == ["/pods/one/volume a", "/pods/one"])
        #expect(DirectoryHandle.mountPoints(at: Array("/pods/two".utf8), in: Array(table.utf8)) == [])
    }

    @Test func `a tree with a bind mount in it is refused before anything is removed`() async throws {
        try await withTemporaryDirectory { directory in
            try make(directory + "/out")
            try Data("kept".utf8).write(to: URL(filePath: directory + "/out/file"))
            try make(directory + "/in/tree/mount point")
            try Data("kept".utf8).write(to: URL(filePath: directory + "/in/tree/a"))
            let handle = try DirectoryHandle.open(directory + "/in")
            let mount = try await ChildProcess.run(
                "/bin/mount", ["--bind", directory + "/out", directory + "/in/tree/mount point"])
            // Needs root and the right to mount; without, the table above is the test.
            guard mount.code == 0 else { return }
            let error = #expect(throws: HostFilesError.self) { try handle.remove("tree") }
            let left = try files.contentsOfDirectory(atPath: directory + "/in/tree").sorted()
            let kept = files.fileExists(atPath: directory + "/out/file")
            let unmount = try await ChildProcess.run("/bin/umount", [directory + "/in/tree/mount point"])
            try #require(unmount.code == 0)
            #expect(error?.message.contains("mount point") == true)
            #expect(left == ["a", "mount point"] && kept)
            try handle.remove("tree")
            #expect(files.fileExists(atPath: directory + "/out/file"))
        }
    }
    #endif
}
