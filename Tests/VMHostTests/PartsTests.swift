import Foundation
import HostFiles
import NIOCore
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("Parts of the supervisor")
struct PartsTests {
    // MARK: Lines

    private func cut(_ pieces: [String]) -> [String] {
        var cutter = LineCutter(.stdout)
        var lines: [LogLine] = []
        for piece in pieces { lines += cutter.take(ByteBuffer(string: piece), at: 1) }
        lines += cutter.finish(at: 2)
        return lines.map { "\($0.isPartial ? "P" : "F") \(String(buffer: $0.content))" }
    }

    @Test("lines are the same however they arrive")
    func lines() {
        #expect(cut(["a\nb\n\nc"]) == ["F a", "F b", "F ", "P c"])
        #expect(cut(["a", "\n", "b\n\n", "c"]) == ["F a", "F b", "F ", "P c"])
        #expect(cut([]) == [])
    }

    @Test("long lines come in pieces of 16 KiB; one of exactly that length is whole")
    func longLines() {
        let full = String(repeating: "x", count: LineCutter.cut)
        #expect(cut([full + "\n"]) == ["F " + full])
        #expect(cut([full + "y\n"]) == ["P " + full, "F y"])
        #expect(cut([full, full, "\n"]) == ["P " + full, "F " + full])
    }

    // MARK: Followers

    @Test("a follower has what comes after it began, and the end also when that was before")
    func follow() async {
        let fanout = Fanout()
        fanout.publish(.output(ByteBuffer(string: "before")))
        let follower = fanout.follow()
        fanout.publish(.output(ByteBuffer(string: "after")))
        fanout.publish(.exited(code: 3))
        guard case .output(let bytes) = await follower.next() else { return #expect(Bool(false)) }
        #expect(String(buffer: bytes) == "after")
        for last in [follower, fanout.follow()] {
            guard case .exited(3) = await last.next() else { return #expect(Bool(false)) }
            #expect(await last.next() == nil)
        }
    }

    @Test("a follower that falls behind is told so after what it has, and the others go on")
    func slow() async {
        let fanout = Fanout(limit: 10)
        let (slow, quick) = (fanout.follow(), fanout.follow())
        for _ in 0..<3 {
            fanout.publish(.output(ByteBuffer(string: "12345678")))
            guard case .output = await quick.next() else { return #expect(Bool(false)) }
        }
        guard case .output = await slow.next(), case .failed = await slow.next() else { return #expect(Bool(false)) }
        #expect(await slow.next() == nil)
    }

    // MARK: Status

    @Test("who stops watching while something changes holds nobody up")
    func watchers() async {
        let board = StatusBoard()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<2 {
                group.addTask {
                    for _ in 0..<500 {
                        let watching = Task { for await _ in board.statuses() {} }
                        await Task.yield()
                        watching.cancel()
                        await watching.value
                    }
                }
            }
            group.addTask { for turn in 0..<5000 { board.update { $0.startedAt = Int64(turn) } } }
        }
        #expect(board.status.startedAt == 4999)
    }

    @Test("who waits for the guest is let go when it is there, given up, or its machine ends")
    func waiting() async throws {
        let board = StatusBoard()
        let reached = Task { try await board.waitForGuest(atMost: .seconds(60)) }
        board.update { $0.wasReachable = true }
        try await reached.value

        let hopeless = StatusBoard()
        let givenUp = Task { try await hopeless.waitForGuest(atMost: .seconds(60)) }
        hopeless.giveUp("wrong key")
        await #expect { try await givenUp.value } throws: { ($0 as? VZEngineError)?.message == "wrong key" }

        let ending = StatusBoard()
        let ended = Task { try await ending.waitForGuest(atMost: .seconds(60)) }
        ending.update { $0.phase = .exited }
        await #expect { try await ended.value } throws: { ($0 as? VZEngineError)?.code == .guestUnreachable }
        try await ending.waitForExit()
    }

    @Test("who waits until the guest is back is let go when it is, or when its machine ends")
    func waitingForReturn() async throws {
        let board = StatusBoard()
        board.update { $0.wasReachable = true }
        let back = Task { try await board.waitUntilReachable() }
        board.update { $0.isReachable = true }
        try await back.value
        board.update { $0.isReachable = false }
        let never = Task { try await board.waitUntilReachable() }
        board.update { $0.phase = .exited }
        await #expect { try await never.value } throws: { ($0 as? VZEngineError)?.code == .guestUnreachable }
    }

    @Test("the guest that still boots at the limit is said to")
    func booting() async throws {
        await #expect { try await StatusBoard().waitForGuest(atMost: .milliseconds(20)) } throws: {
            let error = $0 as? VZEngineError
            return error?.code == .guestBooting && error?.message.hasPrefix("GuestBooting") == true
        }
    }

    // MARK: Patience

    @Test("a guest that does not answer is asked again with pauses that grow, up to its limit")
    func patience() {
        var touch = GuestTouch(limit: .seconds(10))
        let start = ContinuousClock.now
        let silent = VZEngineError(.guestUnreachable, "silent")
        #expect(touch.failed(silent, at: start) == .again(after: .milliseconds(50)))
        #expect(touch.failed(silent, at: start + .seconds(1)) == .again(after: .milliseconds(100)))
        #expect(touch.failed(silent, at: start + .seconds(2)) == .again(after: .milliseconds(200)))
        #expect(touch.failed(silent, at: start + .seconds(3)) == .again(after: .milliseconds(250)))
        guard case .giveUp(let reason) = touch.failed(silent, at: start + .seconds(11)) else {
            return #expect(Bool(false))
        }
        #expect(reason.contains("silent"))
    }

    @Test("a guest that was reached once is never given up for silence; wrong credentials are, after a moment's grace")
    func credentials() {
        var touch = GuestTouch(limit: .seconds(10))
        let start = ContinuousClock.now
        touch.succeeded()
        #expect(touch.failed(VZEngineError(.guestUnreachable, "x"), at: start + .seconds(900)) != .giveUp("x"))
        let refused = GuestRefusal(description: "wrong key")
        #expect(touch.failed(refused, at: start + .seconds(901)) != .giveUp("wrong key"))
        #expect(touch.failed(refused, at: start + .seconds(930)) == .giveUp("wrong key"))
        let changed = VZEngineError(.invalidArgument, "another host key")
        #expect(touch.failed(changed, at: start + .seconds(931)) == .giveUp("another host key"))
    }

    @Test("a server that hangs up on who was refused refuses still; one that booted again begins anew")
    func refusalsApart() {
        let start = ContinuousClock.now
        let refused = GuestRefusal(description: "wrong key")
        let hangsUp = VZEngineError(.guestUnreachable, "closed the connection")
        var touch = GuestTouch(limit: .seconds(1000))
        for second in 0..<3 { #expect(touch.failed(refused, at: start + .seconds(second)) != .giveUp("wrong key")) }
        for second in 3..<25 { #expect(touch.failed(hangsUp, at: start + .seconds(second)) != .giveUp("wrong key")) }
        #expect(touch.failed(refused, at: start + .seconds(25)) == .giveUp("wrong key"))

        touch = GuestTouch(limit: .seconds(1000))
        _ = touch.failed(refused, at: start)
        for second in 1..<61 { _ = touch.failed(hangsUp, at: start + .seconds(second)) }
        #expect(touch.failed(refused, at: start + .seconds(61)) != .giveUp("wrong key"))

        touch = GuestTouch(limit: .seconds(1000))
        _ = touch.failed(refused, at: start)
        touch.restarted()
        #expect(touch.failed(refused, at: start + .seconds(25)) != .giveUp("wrong key"))

        // Whoever waited as long as he would hears the reason that he can do something about.
        touch = GuestTouch(limit: .seconds(10))
        _ = touch.failed(refused, at: start)
        let last = touch.failed(hangsUp, at: start + .seconds(50))
        #expect(last == .giveUp("the guest was not reachable within 10.0 seconds: wrong key"))
    }

    // MARK: Console

    @Test("the console's file is bounded: the older half is kept beside it")
    func consoleRotates() async throws {
        try await withTemporaryDirectory { directory in
            let log = ConsoleLog(path: directory + "/console.log", limit: 1000)
            for number in 0..<100 { try await log.append(ByteBuffer(string: "line \(number)\n")) }
            let newer = try String(contentsOfFile: directory + "/console.log", encoding: .utf8)
            let older = try String(contentsOfFile: directory + "/console.log.1", encoding: .utf8)
            #expect(newer.utf8.count <= 1100)
            #expect(older.utf8.count <= 1100)
            let lines = (older + newer).split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1)[1] }
            #expect(lines.last == "line 99")
            #expect(lines == ((100 - lines.count)..<100).map { "line \($0)" })
        }
    }

    @Test("a console without any end of line is bounded as well")
    func endlessLineRotates() async throws {
        try await withTemporaryDirectory { directory in
            let log = ConsoleLog(path: directory + "/console.log", limit: 1000)
            for _ in 0..<100 { try await log.append(ByteBuffer(repeating: 120, count: 100)) }
            for name in ["console.log", "console.log.1"] {
                let size = try Data(contentsOf: URL(filePath: "\(directory)/\(name)")).count
                #expect(size <= 2200)
            }
        }
    }
}
