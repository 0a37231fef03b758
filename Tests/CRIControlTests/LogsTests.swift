import Proto
import Support
import Testing

@testable import CRIControl

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct LogsTests {
    private let log = """
        1970-01-01T00:00:01.000000000Z stdout F one
        1970-01-01T00:00:02.000000000Z stderr F two
        1970-01-01T00:00:03.000000000Z stdout P thr
        1970-01-01T00:00:03.000000000Z stdout F ee

        """

    private func contents(_ path: String, _ state: CRI.ContainerState) -> FakeRuntime.Contents {
        var contents = FakeRuntime.Contents()
        contents.containers = [
            .init {
                $0.id = "c1c1"
                $0.metadata = .init { $0.name = "app" }
                $0.state = state
            }
        ]
        contents.logPath = path
        contents.state = state
        return contents
    }

    private func append(_ text: String, to path: String) throws {
        let file = try #require(fopen(path, "a"))
        fputs(text, file)
        fclose(file)
    }

    private func options(
        follow: Bool = false, tail: Int? = nil, since: String? = nil, timestamps: Bool = false
    ) throws -> LogOptions {
        try LogOptions(follow: follow, tail: tail, since: since, timestamps: timestamps, now: 100_000_000_000)
    }

    @Test("a log is shown whole, by its last lines, or since a time")
    func parts() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/0.log"
            try append(log, to: path)
            let table: [(LogOptions, String)] = [
                (try options(), "one\ntwo\nthree\n"), (try options(tail: 1), "three\n"), (try options(tail: 0), ""),
                (try options(since: "98s"), "two\nthree\n"),
                (
                    try options(tail: 2, timestamps: true),
                    "1970-01-01T00:00:02.000000000Z two\n1970-01-01T00:00:03.000000000Z three\n"
                ),
            ]
            for (options, expected) in table {
                try await FakeRuntime.with(contents(path, .containerRunning)) { _, commands, written in
                    try await commands.logs("app", options)
                    #expect(written.standard == expected)
                }
            }
        }
    }

    @Test("following ends when the container has ended, also when that changes no file")
    func follow() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/0.log"
            try append(log, to: path)
            try await FakeRuntime.with(contents(path, .containerRunning)) { runtime, commands, written in
                try await withThrowingTaskGroup(of: Void.self) { tasks in
                    let options = try options(follow: true)
                    tasks.addTask { try await commands.logs("app", options) }
                    try append("1970-01-01T00:00:04.000000000Z stdout F four\n", to: path)
                    runtime.exit()
                    try await tasks.waitForAll()
                }
                #expect(written.standard == "one\ntwo\nthree\nfour\n")
            }
        }
    }

    @Test("a file that is not here is a clear error")
    func absent() async throws {
        try await FakeRuntime.with(contents("/nonexistent/0.log", .containerRunning)) { _, commands, _ in
            let error = await #expect(throws: ControlError.self) {
                try await commands.logs(
                    "app", try LogOptions(follow: false, tail: nil, since: nil, timestamps: false, now: 0))
            }
            #expect(error?.message.contains("/nonexistent/0.log") == true)
            #expect(error?.message.contains("on the host that runs the container") == true)
        }
    }
}
