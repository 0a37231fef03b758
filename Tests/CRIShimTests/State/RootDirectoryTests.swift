import Testing

@testable import CRIShim

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct RootDirectoryTests {
    private func temporary(_ body: (String) async throws -> Void) async throws {
        let path = "/tmp/vzcri-root-\(Identifiers.hex(8))"
        defer { try? RootDirectory.removeTree(path) }
        try await body(path)
    }

    @Test func `records are found again, also by the next process`() async throws {
        try await temporary { path in
            var record = SandboxRecord()
            record.id = Identifiers.sandbox()
            let instance: String
            do {
                let root = try RootDirectory(path: path)
                instance = root.instance
                try await root.save(record)
                #expect(try root.load() == [record])
                #expect(try await root.hasRecord(of: record.id))
            }
            let root = try RootDirectory(path: path)
            #expect(root.instance == instance)
            #expect(try root.load() == [record])
            try await root.removeSandbox(record.id)
            #expect(try root.load() == [])
            try await root.removeSandbox(record.id)
        }
    }

    @Test func `a second process is told who has the directory`() async throws {
        try await temporary { path in
            let root = try RootDirectory(path: path)
            #expect { try RootDirectory(path: path) } throws: { error in
                let error = error as? ShimError
                return error?.code == .unavailable && error?.message.contains(path) == true
            }
            withExtendedLifetime(root) {}
        }
    }

    @Test func `a directory without a record is what a crash left, and goes`() async throws {
        try await temporary { path in
            let root = try RootDirectory(path: path)
            try RootDirectory.makeDirectory(root.sandboxDirectory("abc"), mode: 0o700)
            #expect(try root.load() == [])
            #expect(try RootDirectory.entries(of: path + "/sandboxes") == [])
        }
    }

    @Test func `a newer program's record stops the start and stays`() async throws {
        try await temporary { path in
            let root = try RootDirectory(path: path)
            let directory = root.sandboxDirectory("abc")
            try RootDirectory.makeDirectory(directory, mode: 0o700)
            let file = directory + "/config.json"
            let stream = try #require(fopen(file, "w"))
            fputs(#"{"schema": 99}"#, stream)
            fclose(stream)
            #expect { try root.load() } throws: { ($0 as? ShimError)?.code == .newerRecord }
            #expect(access(file, F_OK) == 0)
        }
    }

    @Test func `a path through a file cannot be made`() async throws {
        try await temporary { path in
            try RootDirectory.makeDirectory(path, mode: 0o700)
            let stream = try #require(fopen(path + "/f", "w"))
            fclose(stream)
            #expect(throws: ShimError.self) { try RootDirectory.makeDirectory(path + "/f", mode: 0o700) }
            #expect(throws: ShimError.self) { try RootDirectory.makeDirectory(path + "/f/g", mode: 0o700) }
        }
    }
}
