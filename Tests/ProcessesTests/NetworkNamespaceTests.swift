import Foundation
import Support
import Testing

@testable import Processes

@Suite(
    .enabled(
        if: NetworkNamespace.isPossible || ProcessInfo.processInfo.environment["CI"] != nil,
        "skipped, because this user may not make network namespaces (run scripts/test as root)"))
struct NetworkNamespaceTests {
    private func devices(in namespace: String?) async throws -> [String] {
        try await Command.checked("ip", ["-o", "link"], networkNamespace: namespace).text.split(separator: "\n").map {
            String($0.split(separator: " ")[1])
        }
    }

    @Test func `a namespace is there until it is removed, and programs run in it`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/net"
            #expect(!NetworkNamespace.exists(at: path))
            let before = try await devices(in: nil)
            try await NetworkNamespace.make(at: path)
            #expect(NetworkNamespace.exists(at: path))
            #expect(try await devices(in: path) == ["lo:"])
            let inside = try await NetworkNamespace.run(in: path) {
                try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/thread-self/ns/net")
            }
            let outside = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/net")
            #expect(inside != outside)
            // This process's own threads are where they were.
            #expect(try await devices(in: nil).contains(before[0]))
            try NetworkNamespace.remove(path)
            #expect(!FileManager.default.fileExists(atPath: path))
            try NetworkNamespace.remove(path)
        }
    }

    @Test func `what runs in a removed namespace goes on`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/net"
            try await NetworkNamespace.make(at: path)
            var request = ProcessRequest("sleep", ["1000"])
            request.networkNamespace = path
            request.diesWithParent = true
            let child = try await Processes.ChildProcess.start(request)
            try NetworkNamespace.remove(path)
            #expect(child.end == nil)
            #expect(try await devices(in: "/proc/\(child.id)/ns/net") == ["lo:"])
            child.signal(SIGKILL)
            #expect(await child.waitForEnd() == .signalled(SIGKILL))
        }
    }

    @Test func `a file that is there is left alone, and no namespace is no namespace`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/net"
            try Data("mine".utf8).write(to: URL(filePath: path))
            await #expect(throws: ProcessError.self) { try await NetworkNamespace.make(at: path) }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == "mine")
            #expect(!NetworkNamespace.exists(at: path))
            await #expect(throws: ProcessError.self) { try await NetworkNamespace.run(in: path) {} }
            await #expect(throws: ProcessError.self) { try await NetworkNamespace.make(at: directory + "/no/net") }
        }
    }
}
