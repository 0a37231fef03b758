import Support
import Testing

@testable import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Child processes", .timeLimit(.minutes(1))) struct ChildProcessTests {
    @Test("every exit code and signal is told as it was", arguments: [0, 1, 42, 255])
    func codes(code: Int32) async throws {
        let child = try await ChildProcess.start(ProcessRequest("sh", ["-c", "exit \(code)"]))
        #expect(await child.waitForEnd() == .exited(code: code))
        #expect(child.end == .exited(code: code))
    }

    @Test("a killed process says so, and a signal after its end goes nowhere")
    func signals() async throws {
        let child = try await ChildProcess.start(ProcessRequest("sleep", ["60"]))
        #expect(child.identity?.isAlive == true)
        child.signal(SIGKILL)
        #expect(await child.waitForEnd() == .signalled(SIGKILL))
        child.signal(SIGKILL)
        #expect(child.identity?.isAlive == false)
    }

    @Test("what cannot be started is an error at once, and leaves no process")
    func absent() async throws {
        var misplaced = ProcessRequest("true")
        misplaced.directory = "/no/such/directory"
        for request in [ProcessRequest("no-such-program"), misplaced] {
            let error = await #expect(throws: ProcessError.self) { try await ChildProcess.start(request) }
            #expect(error?.code == .notFound)
        }
    }

    @Test("a child gets the descriptors it is given and no others")
    func descriptors() async throws {
        var ends: [Int32] = [-1, -1]
        // Without close-on-exec on purpose: the child must not get it all the same.
        try #require(pipe(&ends) == 0)
        defer { for end in ends { close(end) } }
        let result = try await Command.run("ls", ["/proc/self/fd"])
        // 3 is the directory that ls reads.
        #expect(result.text == "0\n1\n2\n3\n")
    }

    @Test("a child has a session of its own when asked, else its parent's")
    func sessions() async throws {
        func session(own: Bool) async throws -> Int32 {
            var request = ProcessRequest("sleep", ["60"])
            request.hasOwnSession = own
            let child = try await ChildProcess.start(request)
            defer { child.signal(SIGKILL) }
            return getsid(child.id) == child.id ? child.id : 0
        }
        #expect(try await session(own: true) != 0)
        #expect(try await session(own: false) == 0)
    }

    #if os(Linux)
    @Test("a child that shall die with its parent is killed by the system")
    func deathWithParent() async throws {
        let script = """
            import ctypes
            number = ctypes.c_int()
            ctypes.CDLL(None).prctl(2, ctypes.byref(number))
            print(number.value)
            """
        #expect(try await Command.run("/usr/bin/python3", ["-c", script]).text == "\(SIGKILL)\n")
    }
    #endif

    @Test("an identity is its own process's only")
    func identity() throws {
        let own = try #require(ProcessIdentity.of(getpid()))
        #expect(own.isAlive && own.isOfThisBoot)
        var other = own
        other.startTime += 1
        #expect(!other.isAlive)
        other = own
        other.bootID = "another"
        #expect(!other.isAlive && !other.isOfThisBoot)
        #expect(ProcessIdentity.of(0) == nil)
    }
}
