import Foundation
import Support
import Synchronization
import Testing

@testable import VMHost

@Suite("A directory as a tar archive")
struct TreeArchiveTests {
    private func archive(_ source: String, to file: String) throws -> (pieces: Int, largest: Int, leftOut: Int) {
        try #require(FileManager.default.createFile(atPath: file, contents: nil))
        let handle = try #require(FileHandle(forWritingAtPath: file))
        var archive = try TreeArchive.open(source)
        var (pieces, largest) = (0, 0)
        while let piece = try archive.next() {
            try handle.write(contentsOf: piece)
            pieces += 1
            largest = max(largest, piece.count)
        }
        try handle.close()
        return (pieces, largest, archive.leftOut)
    }

    static let tars = [["/bin/tar"], ["/usr/bin/busybox", "tar"], ["/usr/bin/bsdtar"]].filter {
        FileManager.default.isExecutableFile(atPath: $0[0])
    }

    @Test("what tar unpacks is what was there: names, links, modes, times, contents", arguments: tars)
    func whole(tar: [String]) async throws {
        try await withTemporaryDirectory { directory in
            let long = (0..<4).map { _ in String(repeating: "long-", count: 12) }.joined(separator: "/")
            let made = try await ChildProcess.run(
                "/bin/sh",
                [
                    "-ec",
                    """
                    mkdir -p \(directory)/from/sub/\(long) \(directory)/to; cd \(directory)/from
                    echo one > one; printf '' > empty; echo run > sub/run; chmod 755 sub/run; chmod 600 one
                    head -c 700001 /dev/urandom > sub/large; ln sub/large same; echo deep > sub/\(long)/file
                    ln -s one link; ln -s /etc/shadow sub/out; ln -s ../../../../etc sub/up; ln -s nowhere dangling
                    ln -s \(long)/\(long) sub/\(long)/farlink
                    printf x > 'a b'; printf y > 'new\\nline'; printf z > -dash; printf u > 'grün'
                    mkfifo pipe; chmod 2750 sub; chmod 700 .; touch -d @1500000000 one
                    """,
                ])
            try #require(made.code == 0, "\(made.errors)")
            let facts = try archive(directory + "/from", to: directory + "/archive")
            #expect(facts.leftOut == 1)
            let outcome = try await ChildProcess.run(
                "/bin/sh",
                [
                    "-ec",
                    """
                    cd \(directory)/to; \(tar.joined(separator: " ")) -xpf - < ../archive
                    cd ..; rm from/pipe
                    look() { cd \(directory)/$1; find . -printf '%p %y %m %U %G %s %l\\n' | sed 's/ d \\([0-9]*\\) \\([0-9]*\\) \\([0-9]*\\) [0-9]*/ d \\1 \\2 \\3/' | sort; }
                    look from > seen-from; look to > \(directory)/seen-to; cd \(directory); mv from/seen-from . 2>/dev/null || true
                    diff -r --no-dereference from to; diff seen-from seen-to
                    [ to/same -ef to/sub/large ]; stat -c %Y to/one
                    """,
                ])
            #expect(outcome.code == 0, "\(outcome.output)\(outcome.errors)")
            #expect(outcome.output == "1500000000\n")
        }
    }

    @Test("a large file passes in pieces")
    func bounded() async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory + "/from", withIntermediateDirectories: true)
            let file = directory + "/from/large"
            try #require(FileManager.default.createFile(atPath: file, contents: nil))
            try #require(truncate(file, 64 << 20) == 0)
            let facts = try archive(directory + "/from", to: directory + "/archive")
            #expect(facts.largest < 1 << 20)
            #expect(facts.pieces >= 64)
        }
    }

    @Test("sizes and owners that octal digits cannot hold are written all the same")
    func largeNumbers() async throws {
        try await withTemporaryDirectory { directory in
            var bytes: [UInt8] = []
            TarHeader(
                name: Array("large".utf8), kind: .file, mode: 0o644, userID: 4_000_000_000, groupID: 7, size: 20 << 30
            )
            .append(to: &bytes)
            try Data(bytes).write(to: URL(filePath: directory + "/archive"))
            let outcome = try await ChildProcess.run("/bin/tar", ["--numeric-owner", "-tvf", directory + "/archive"])
            #expect(outcome.output.contains("4000000000/7"), "\(outcome.output)")
            #expect(outcome.output.contains(" \(20 << 30) "), "\(outcome.output)")
        }
    }

    private final class Flag: Sendable {
        let isOver = Atomic(false)
    }

    @Test("who exchanges directories and links meanwhile leads it nowhere else")
    func exchanged() async throws {
        try await withTemporaryDirectory { directory in
            let files = FileManager.default
            for name in ["from/sub", "elsewhere"] {
                try files.createDirectory(atPath: "\(directory)/\(name)", withIntermediateDirectories: true)
            }
            try "SECRET".write(toFile: directory + "/elsewhere/file", atomically: true, encoding: .utf8)
            try "harmless".write(toFile: directory + "/from/sub/file", atomically: true, encoding: .utf8)
            symlink(directory + "/elsewhere", directory + "/from/link")
            symlink(directory + "/elsewhere/file", directory + "/from/linked")
            try "plain".write(toFile: directory + "/from/plain", atomically: true, encoding: .utf8)
            let flag = Flag()
            let from = directory + "/from"
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    while !flag.isOver.load(ordering: .relaxed) {
                        for (one, other) in [("sub", "link"), ("plain", "linked")] {
                            rename("\(from)/\(one)", "\(from)/.swap")
                            rename("\(from)/\(other)", "\(from)/\(one)")
                            rename("\(from)/.swap", "\(from)/\(other)")
                        }
                        await Task.yield()
                    }
                }
                for _ in 0..<300 {
                    do {
                        var archive = try TreeArchive.open(from)
                        var all: [UInt8] = []
                        while let piece = try archive.next() { all += piece }
                        #expect(!String(decoding: all, as: UTF8.self).contains("SECRET"))
                    } catch {
                        Issue.record(error)
                    }
                }
                flag.isOver.store(true, ordering: .relaxed)
            }
        }
    }

    @Test("a tree without end is refused")
    func deep() async throws {
        try await withTemporaryDirectory { directory in
            let made = try await ChildProcess.run(
                "/bin/sh", ["-ec", "cd \(directory); for i in $(seq 600); do mkdir d; cd d; done"])
            try #require(made.code == 0)
            #expect(throws: (any Error).self) {
                var archive = try TreeArchive.open(directory)
                while try archive.next() != nil {}
            }
            _ = try await ChildProcess.run("/bin/rm", ["-rf", directory + "/d"])
        }
    }
}
