import GuestSSH
import NIOCore
import NIOPosix
import Support
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite(.serialized, .enabled(if: SSHServer.isInstalled || SSHServer.isRequired, SSHServer.skipReason))
struct FlowTests {
    private static let megabytes = 100

    @Test("100 MB of output arrive whole")
    func output() async throws {
        try await withLink { link, _ in
            let process = try await link.run(
                GuestCommand(["/bin/sh", "-c", "head -c \(Self.megabytes)000000 /dev/zero; exit 5"]))
            var count = 0
            for try await event in process.output {
                switch event {
                case .output(let bytes): count += bytes.readableBytes
                case .errorOutput: Issue.record("error output")
                case .exited(let exit): #expect(exit == .code(5))
                }
            }
            #expect(count == Self.megabytes * 1_000_000)
        }
    }

    @Test("100 MB of input arrive whole, and wait where they are while the command does not read")
    func input() async throws {
        try await withLink { link, server in
            let file = "\(server.directory)/go"
            let process = try await link.run(
                GuestCommand(
                    ["/bin/sh", "-c", #"until [ -e "$0" ]; do sleep 0.05; done; md5sum; exit 6"#, file], hasInput: true)
            )
            async let outcome = process.collect()
            let taken = Atomic(0)
            async let written: Void = {
                let chunk = ByteBuffer(repeating: 0, count: 1_000_000)
                for _ in 0..<Self.megabytes {
                    try await process.write(chunk)
                    taken.add(1, ordering: .relaxed)
                }
                try await process.closeInput()
            }()
            var (last, looks) = (-1, 0)
            try await eventually("writing stops where the buffers on the way are full") {
                let now = taken.load(ordering: .relaxed)
                looks = now == last ? looks + 1 : 0
                last = now
                return looks > 50 && now > 0
            }
            #expect(last < 32)
            _ = try await link.shell("touch '\(file)'")
            try await written
            let result = try await outcome
            #expect(result.text.hasPrefix("0f86d7c5a6180cf9584c1d21144d85b0"))
            #expect(result.code == 6)
        }
    }

    @Test("both directions at once through one process")
    func both() async throws {
        try await withLink { link, _ in
            let process = try await link.run(GuestCommand(["cat"], hasInput: true))
            async let count = {
                var count = 0
                for try await event in process.output {
                    if case .output(let bytes) = event { count += bytes.readableBytes }
                }
                return count
            }()
            for round in 0..<200 { try await process.write(ByteBuffer(repeating: UInt8(round), count: 100_000)) }
            try await process.closeInput()
            #expect(try await count == 20_000_000)
        }
    }

    @Test("a slow reader makes its command wait; others on the connection go on; nothing is lost")
    func slowReader() async throws {
        try await withLink { link, server in
            let file = "\(server.directory)/progress"
            let script = """
                i=0; while [ $i -lt 200 ]; do head -c 20000 /dev/zero; i=$((i+1)); echo $i >"\(file)"; done
                """
            let slow = try await link.run(GuestCommand(["/bin/sh", "-c", script]))
            for _ in 0..<30 { #expect(try await link.shell("echo quick").text == "quick\n") }
            let progress = { () async throws -> Int in
                Int(try await link.shell("cat '\(file)' || echo 0").text.split(separator: "\n").first ?? "0") ?? 0
            }
            // It has stopped well before its end, where the buffers on the way are full.
            var last = -1
            try await eventually("it stops") {
                let now = try await progress()
                defer { last = now }
                return now == last && now > 0
            }
            #expect(try await progress() < 150)
            let outcome = try await slow.collect()
            #expect(outcome.output.count == 200 * 20_000)
            #expect(outcome.code == 0)
        }
    }

    @Test("output that nobody wants is dropped, and its command ends")
    func discarded() async throws {
        try await withLink { link, _ in
            let process = try await link.run(GuestCommand(["/bin/sh", "-c", "head -c 5000000 /dev/zero; exit 4"]))
            process.discardOutput()
            #expect(try await process.wait() == .code(4))
        }
    }

    @Test("sessions go on while the server exchanges keys anew")
    func rekeying() async throws {
        try await withLink(options: "RekeyLimit 1M") { link, _ in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<4 {
                    group.addTask { try await link.shell("head -c 5000000 /dev/zero").output.count }
                    group.addTask {
                        try await link.outcome(["cat"], input: [UInt8](repeating: 1, count: 3_000_000)).output.count
                    }
                }
                var total = 0
                for try await count in group { total += count }
                #expect(total == 4 * 8_000_000)
            }
        }
    }

    @Test("40 commands at once against a server that allows 10 per connection")
    func many() async throws {
        try await withLink { link, _ in
            try await withThrowingTaskGroup(of: Bool.self) { group in
                for number in 0..<40 {
                    group.addTask {
                        let process = try await link.run(
                            GuestCommand(["/bin/sh", "-c", "read a; echo $a; exit \(number)"], hasInput: true))
                        try await process.write(ByteBuffer(string: "line \(number)\n"))
                        let outcome = try await process.collect()
                        return outcome.text == "line \(number)\n" && outcome.code == Int32(number)
                    }
                }
                for try await isRight in group { #expect(isRight) }
            }
        }
    }

    @Test("40 commands that run at the same time, each on its own session")
    func together() async throws {
        try await withLink { link, _ in
            let processes = try await withThrowingTaskGroup(of: GuestProcess.self) { group in
                for _ in 0..<40 { group.addTask { try await link.run(GuestCommand(["cat"], hasInput: true)) } }
                var processes: [GuestProcess] = []
                for try await process in group { processes.append(process) }
                return processes
            }
            #expect(Set(processes.map(\.id)).count == 40)
            for process in processes { try await process.closeInput() }
            for process in processes { #expect(try await process.wait() == .code(0)) }
        }
    }

    @Test("commands that begin at the same moment on one connection each get their own answer")
    func answersApart() async throws {
        for round in 0..<Faults.rounds * 2 {
            try await withLink(options: "MaxSessions 2") { link, _ in
                try await withThrowingTaskGroup(of: Int32?.self) { group in
                    for number in 1...12 { group.addTask { try await link.shell("exit \(number)").code } }
                    var codes: Set<Int32?> = []
                    for try await code in group { codes.insert(code) }
                    #expect(codes == Set(1...12), "round \(round)")
                }
            }
        }
    }

    // One stream's call may read what is another's. Without a sign of life for an hour, nothing but the loop's own care
    // takes that up.
    @Test("what has arrived is taken up at once, whoever's turn it was to read it", .timeLimit(.minutes(3)))
    func takenUp() async throws {
        try await withLink({ $0.keepaliveInterval = .seconds(3600) }) { link, _ in
            for round in 1...Faults.rounds * 4 {
                let outcome = try await link.shell("head -c 10000000 /dev/zero; exit \(round % 200)")
                #expect(outcome.output.count == 10_000_000)
                #expect(outcome.code == Int32(round % 200))
            }
        }
    }

    @Test("a server that allows fewer sessions than usual gets more connections")
    func fewSessions() async throws {
        try await withLink(options: "MaxSessions 2") { link, _ in
            try await withThrowingTaskGroup(of: Int32?.self) { group in
                for _ in 0..<10 { group.addTask { try await link.shell("sleep 0.1; exit 7").code } }
                for try await code in group { #expect(code == 7) }
            }
        }
    }

    @Test("a command that runs alone outlives the connection the others share")
    func alone() async throws {
        try await withLink { link, _ in
            let shared = try await link.run(GuestCommand(["/bin/sh", "-c", "echo $PPID; exec sleep 1000"]))
            let alone = try await link.run(GuestCommand(["cat"], hasInput: true), isAlone: true)
            var output = shared.output.makeAsyncIterator()
            guard case .output(let bytes)? = try await output.next(),
                let server = Int32(String(buffer: bytes).split(whereSeparator: \.isNewline).first ?? "")
            else {
                Issue.record("the command did not say who serves it")
                return
            }
            kill(server, SIGKILL)
            try await fails(with: .connectionLost) { while try await output.next() != nil {} }
            try await alone.write(ByteBuffer(string: "still here"))
            try await alone.closeInput()
            let outcome = try await alone.collect()
            #expect(outcome.text == "still here" && outcome.code == 0)
        }
    }
    @Test("a server that is full of strangers for a moment is asked again, as long as it is known to be up")
    func fullOfStrangers() async throws {
        try await withLink(options: "MaxStartups 1:100:1") { link, server in
            // Whoever looked whether it is up may still be counted.
            try await link.waitUntilReachable(within: .seconds(30))
            let stranger = try await Self.stranger(at: server.port)
            async let alone = link.run(GuestCommand(["sh", "-c", "exit 7"]), isAlone: true)
            // It is turned away until the stranger has left.
            try await Task.sleep(for: .milliseconds(300))
            try await stranger.close()
            #expect(try await alone.collect().code == 7)
        }
    }

    /// Somebody whom the server has let in, and who then says nothing.
    private static func stranger(at port: Int) async throws -> any Channel {
        while true {
            let greeted = MultiThreadedEventLoopGroup.singleton.any().makePromise(of: Bool.self)
            let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { $0.pipeline.addHandler(Greeting(greeted)) }
                .connect(host: "127.0.0.1", port: port).get()
            if try await greeted.futureResult.get() { return channel }
            channel.close(promise: nil)
        }
    }
}

/// Tells whether the server lets one in: it speaks first then, in the protocol's name.
private final class Greeting: ChannelInboundHandler, Sendable {
    typealias InboundIn = ByteBuffer
    private let greeted: EventLoopPromise<Bool>

    init(_ greeted: EventLoopPromise<Bool>) { self.greeted = greeted }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        greeted.succeed(String(buffer: unwrapInboundIn(data)).hasPrefix("SSH-"))
    }
    func channelInactive(context: ChannelHandlerContext) { greeted.succeed(false) }
    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }
}
