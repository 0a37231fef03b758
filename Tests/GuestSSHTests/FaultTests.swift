import Foundation
import NIOCore
import Support
import Synchronization
import Testing

@testable import GuestSSH

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct FaultTests {
    /// A tree: a shell, its child in a session of its own, a grandchild in the background, one that ignores what it can.
    private static let tree = """
        trap '' TERM HUP INT
        sleep 1000 &
        echo $!
        setsid sh -c 'echo $$; exec sleep 1001' &
        sh -c 'sleep 1002 & echo $!; wait' &
        wait
        sleep 1003
        """

    /// The tree, once it stands.
    private func start(_ link: GuestLink) async throws -> (GuestProcess, [Int32]) {
        let process = try await link.run(GuestCommand(["/bin/sh", "-c", Self.tree]))
        var text = ""
        var output = process.output.makeAsyncIterator()
        while text.count(where: \.isNewline) < 3 {
            guard case .output(let bytes)? = try await output.next() else { break }
            text += String(buffer: bytes)
        }
        let ids = text.split(separator: "\n").compactMap { Int32($0) }
        #expect(ids.count == 3)
        #expect(ids.allSatisfy(ProcessTable.isAlive))
        return (process, ids + [process.id])
    }

    @Test("kill ends the whole tree, and the exit code says so")
    func kill() async throws {
        try await withLink { link, _ in
            let (process, ids) = try await start(link)
            await process.kill()
            #expect(try await process.wait() == .signal("KILL"))
            #expect(ids.filter(ProcessTable.isAlive) == [])
            await process.kill()
        }
    }

    @Test("a process object that is dropped takes its tree with it")
    func dropped() async throws {
        try await withLink { link, _ in
            let ids = try await start(link).1
            try await eventually("all are gone") { ids.filter(ProcessTable.isAlive).isEmpty }
        }
    }

    @Test("a start that is cancelled leaves nothing running, at whatever moment")
    func cancelledStart() async throws {
        var random = Faults.random("cancelled start")
        try await withLink { link, server in
            try await link.probe(timeout: .seconds(30))
            for round in 0..<Faults.rounds * 4 {
                let mark = "\(server.directory)/mark-\(round)"
                let task = Task {
                    // One that has started before it was cancelled is dropped here.
                    _ = try await link.run(GuestCommand(["/bin/sh", "-c", "echo $$ >'\(mark)'; exec sleep 1000"]))
                }
                try await Task.sleep(for: .microseconds(Int.random(in: 0...30_000, using: &random)))
                task.cancel()
                _ = await task.result
                try await eventually("round \(round): it is gone") {
                    guard let text = try? String(contentsOfFile: mark, encoding: .utf8),
                        let id = Int32(text.trimmingCharacters(in: .whitespacesAndNewlines))
                    else { return true }
                    return !ProcessTable.isAlive(id)
                }
            }
            #expect(try await link.shell("echo works").text == "works\n")
        }
    }

    @Test("a signal reaches the command itself")
    func signal() async throws {
        try await withLink { link, _ in
            let process = try await link.run(
                GuestCommand([
                    "/bin/sh", "-c", "trap 'echo terminated; exit 21' TERM; echo ready; while :; do sleep 0.02; done",
                ]))
            var output = process.output.makeAsyncIterator()
            #expect(try await output.next() == .output(ByteBuffer(string: "ready\n")))
            try await process.signal("SIGTERM")
            #expect(try await output.next() == .output(ByteBuffer(string: "terminated\n")))
            #expect(try await output.next() == .exited(.code(21)))
            try await process.signal("TERM")
            try await fails(with: .invalidArgument) { try await process.signal("; reboot") }
        }
    }

    @Test("a server that dies is noticed at once by all that runs; when it is back, so is the link")
    func restart() async throws {
        try await withLink { link, server in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            let outcome = Task { try await process.collect() }
            #expect(try await link.shell("echo up").text == "up\n")
            await server.kill()
            try await fails(with: .connectionLost) { _ = try await outcome.value }
            try await fails(with: .connectionLost) { _ = try await process.wait() }
            try await fails(with: .refused) { try await link.probe(timeout: .seconds(20)) }
            try await server.start()
            try await link.waitUntilReachable(within: .seconds(20))
            #expect(try await link.shell("echo back").text == "back\n")
        }
    }

    @Test("what arrived before the server died is still read")
    func lastWords() async throws {
        try await withLink { link, server in
            let process = try await link.run(
                GuestCommand(["/bin/sh", "-c", "head -c 200000 /dev/zero; echo; sleep 1000"]))
            var output = process.output.makeAsyncIterator()
            guard case .output(let first)? = try await output.next() else { return }
            var count = first.readableBytes
            try await eventually("all of it has arrived") { process.stream.arrivals.held == 200_001 - count }
            await server.kill()
            try await fails(with: .connectionLost) {
                while case .output(let bytes)? = try await output.next() { count += bytes.readableBytes }
            }
            #expect(count == 200_001)
        }
    }

    @Test("a server that hangs is found out by its silence")
    func hung() async throws {
        try await withLink({
            $0.keepaliveInterval = .milliseconds(300)
            $0.keepaliveLimit = 3
        }) { link, server in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            let outcome = Task { try await process.collect() }
            let start = SuspendingClock.now
            #expect(try await link.shell("echo alive").text == "alive\n")
            server.freeze()
            try await fails(with: .connectionLost) { _ = try await outcome.value }
            // It was heard after the start, and has the whole of three intervals since.
            #expect(SuspendingClock.now - start >= .milliseconds(900))
            server.thaw()
            #expect(try await link.shell("echo again").text == "again\n")
        }
    }

    @Test("a server that is known to stand still is not given up, and is heard again when it goes on")
    func standsStill() async throws {
        let isStill = Mutex(false)
        try await withLink({
            $0.keepaliveInterval = .milliseconds(300)
            $0.keepaliveLimit = 3
            $0.standsStill = { isStill.withLock { $0 } }
        }) { link, server in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            isStill.withLock { $0 = true }
            server.freeze()
            // Several times what would be its death.
            try await Task.sleep(for: .seconds(4))
            server.thaw()
            try await process.write(ByteBuffer(string: "still the same"))
            try await process.closeInput()
            #expect(try await process.collect().text == "still the same")
        }
    }

    @Test(
        "a network that swallows everything is found out like a server that hangs",
        .enabled(if: PacketFilter.isUsable, "skipped, because root or iptables is missing"))
    func swallowed() async throws {
        try await withLink({
            $0.keepaliveInterval = .milliseconds(300)
            $0.keepaliveLimit = 3
            $0.connectTimeout = .seconds(1)
            $0.openTimeout = .seconds(3)
        }) { link, server in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            let outcome = Task { try await process.collect() }
            try await PacketFilter.swallowing(port: server.port) {
                try await fails(with: .connectionLost) { _ = try await outcome.value }
                // Nobody answers, not even to refuse: an end comes all the same, with a reason that may pass.
                do {
                    _ = try await link.shell("true")
                    Issue.record("it went through")
                } catch let error as GuestSSHError {
                    #expect(error.isTransient, "\(error)")
                }
            }
            #expect(try await link.shell("echo again").text == "again\n")
        }
    }

    @Test("a hung server that is being written to is found out as well")
    func hungWhileWriting() async throws {
        try await withLink({
            $0.keepaliveInterval = .milliseconds(300)
            $0.keepaliveLimit = 3
        }) { link, server in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            process.discardOutput()
            server.freeze()
            try await fails(with: .connectionLost) {
                while true { try await process.write(ByteBuffer(repeating: 0, count: 1 << 20)) }
            }
            server.thaw()
        }
    }

    @Test("a quiet connection is kept: signs of life are answered")
    func quiet() async throws {
        try await withLink({
            $0.keepaliveInterval = .milliseconds(50)
            $0.keepaliveLimit = 20
        }) { link, _ in
            let process = try await link.run(GuestCommand(["/bin/sh", "-c", "sleep 2; echo still here"]))
            #expect(try await process.collect().text == "still here\n")
        }
    }

    @Test("nothing stays behind: threads, descriptors, processes of the guest")
    func leaks() async throws {
        try await withServer { server in
            func descriptors() -> Int {
                (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count) ?? 0
            }
            let before = descriptors()
            for _ in 0..<Faults.rounds {
                let link = server.link()
                _ = try await link.shell("exit 0")
                let abandoned = try await link.run(GuestCommand(["sleep", "1000"]))
                let id = abandoned.id
                await abandoned.kill()
                #expect(!ProcessTable.isAlive(id))
                await link.close()
            }
            // Other suites open some too, at the same time.
            try await eventually("descriptors are closed") { descriptors() <= before + 8 }
        }
    }
}
