import Foundation
import NIOConcurrencyHelpers
import Support
import Testing

@testable import HostFiles

@Suite struct FileWatcherTests {
    @Test func `whatever happens in the directory is told`() async throws {
        try await withTemporaryDirectory { directory in
            let files = FileManager.default
            let watcher = try FileWatcher(directory: directory)
            let told = NIOLockedValueBox(0)
            let watching = Task {
                for await _ in watcher { told.withLockedValue { $0 += 1 } }
            }
            let steps: [(Comment, () throws -> Void)] = [
                ("made", { try Data().write(to: URL(filePath: directory + "/a")) }),
                (
                    "written",
                    {
                        let handle = try #require(FileHandle(forWritingAtPath: directory + "/a"))
                        handle.write(Data("x".utf8))
                        try handle.close()
                    }
                ),
                ("renamed", { try files.moveItem(atPath: directory + "/a", toPath: directory + "/b") }),
                ("removed", { try files.removeItem(atPath: directory + "/b") }),
            ]
            for (what, step) in steps {
                // Whatever of the step before is still on its way has come when it is quiet.
                let before = try await quiet(told)
                try step()
                try await eventually(what) { told.withLockedValue { $0 } > before }
            }
            watching.cancel()
            await watching.value
        }
    }

    private func quiet(_ told: NIOLockedValueBox<Int>) async throws -> Int {
        var last = -1
        while case let now = told.withLockedValue({ $0 }), now != last {
            last = now
            try await Task.sleep(for: .milliseconds(50))
        }
        return last
    }

    @Test func `what happens before anybody asks is kept, as one`() async throws {
        try await withTemporaryDirectory { directory in
            let watcher = try FileWatcher(directory: directory)
            for number in 0..<100 { try Data().write(to: URL(filePath: "\(directory)/\(number)")) }
            var changes = watcher.makeAsyncIterator()
            #expect(await changes.next() != nil)
        }
    }

    @Test func `watching ends with its task`() async throws {
        try await withTemporaryDirectory { directory in
            let watching = Task {
                for await _ in try FileWatcher(directory: directory) {}
            }
            watching.cancel()
            try await watching.value
        }
    }

    @Test func `a directory that is not there cannot be watched`() {
        let error = #expect(throws: HostFilesError.self) { try FileWatcher(directory: "/nonexistent/directory") }
        #expect(error?.message.contains("/nonexistent/directory") == true)
    }

    @Test func `watches that ended hold nothing`() async throws {
        try await withTemporaryDirectory { directory in
            for _ in 0..<300 {
                let watcher = try FileWatcher(directory: directory)
                try Data().write(to: URL(filePath: directory + "/file"))
                var changes = watcher.makeAsyncIterator()
                #expect(await changes.next() != nil)
            }
        }
    }

    @Test func `more directories are watched at a time than a user has inotify instances`() async throws {
        try await withTemporaryDirectory { directory in
            let files = FileManager.default
            let watchers = try (0..<300).map { number in
                try files.createDirectory(atPath: "\(directory)/\(number)", withIntermediateDirectories: true)
                return try FileWatcher(directory: "\(directory)/\(number)")
            }
            for (number, watcher) in watchers.enumerated() {
                try Data().write(to: URL(filePath: "\(directory)/\(number)/file"))
                var changes = watcher.makeAsyncIterator()
                #expect(await changes.next() != nil)
            }
        }
    }

    @Test func `two watch one directory, and one goes on when the other ends`() async throws {
        try await withTemporaryDirectory { directory in
            let stays = try FileWatcher(directory: directory)
            var goes: FileWatcher? = try FileWatcher(directory: directory)
            try Data().write(to: URL(filePath: directory + "/first"))
            var (one, other) = (stays.makeAsyncIterator(), goes?.makeAsyncIterator())
            #expect(await one.next() != nil)
            #expect(await other?.next() != nil)
            goes = nil
            other = nil
            // Whatever of the first is still kept comes first.
            try Data().write(to: URL(filePath: directory + "/second"))
            #expect(await one.next() != nil)
            try Data().write(to: URL(filePath: directory + "/third"))
            #expect(await one.next() != nil)
        }
    }

    @Test func `the directory's own end is told`() async throws {
        try await withTemporaryDirectory { directory in
            try FileManager.default.createDirectory(atPath: directory + "/in", withIntermediateDirectories: true)
            let watcher = try FileWatcher(directory: directory + "/in")
            try FileManager.default.removeItem(atPath: directory + "/in")
            var changes = watcher.makeAsyncIterator()
            #expect(await changes.next() != nil)
            // Made anew, it is another: watched again by who asks again.
            try FileManager.default.createDirectory(atPath: directory + "/in", withIntermediateDirectories: true)
            let again = try FileWatcher(directory: directory + "/in")
            try Data().write(to: URL(filePath: directory + "/in/file"))
            var more = again.makeAsyncIterator()
            #expect(await more.next() != nil)
        }
    }
}
