import Logging
import NIOCore
import NIOPosix
import Synchronization
import Testing

@testable import VZEngine

@Suite("The monitor's protocol")
struct QMPTests {
    @Test("lines are found in whatever pieces they arrive")
    func lines() throws {
        var splitter = LineSplitter(limit: 10)
        #expect(try splitter.add(ByteBuffer(string: "{a")).isEmpty)
        #expect(try splitter.add(ByteBuffer(string: "b}\r\n\r\n{c}\n{d")) == [Array("{ab}".utf8), Array("{c}".utf8)])
        #expect(try splitter.add(ByteBuffer(string: "}\n")) == [Array("{d}".utf8)])
        #expect(throws: LineSplitter.TooLong.self) {
            try splitter.add(ByteBuffer(string: "12345678901"))
        }
    }

    private func message(_ text: String) throws -> QMPMessage { try QMPMessage(line: Array(text.utf8)) }

    @Test("messages of QEMU 7.2, and what newer ones may add")
    func messages() throws {
        guard
            case .greeting = try message(
                #"{"QMP": {"version": {"qemu": {"micro": 22, "minor": 2, "major": 7}, "package": "x"}, "capabilities": ["oob"]}}"#
            )
        else {
            Issue.record("no greeting")
            return
        }
        guard
            case .event(let event) = try message(
                #"{"timestamp": {"seconds": 1, "microseconds": 2}, "event": "SHUTDOWN", "data": {"guest": true, "reason": "guest-shutdown", "new": [1]}}"#
            )
        else {
            Issue.record("no event")
            return
        }
        #expect(event == QMPEvent(name: .shutdown, reason: "guest-shutdown"))
        guard case .event(let stop) = try message(#"{"event": "STOP"}"#) else {
            Issue.record("no event without data")
            return
        }
        #expect(stop.name == .stop)
        guard case .other = try message(#"{"event": "RTC_CHANGE", "data": {"reason": 5}}"#) else {
            Issue.record("an event nobody needs")
            return
        }
        guard case .refused(7, "no") = try message(#"{"id": 7, "error": {"class": "GenericError", "desc": "no"}}"#)
        else {
            Issue.record("no refusal")
            return
        }
        let line = Array(#"{"return": {"status": "running", "running": true}, "id": 3}"#.utf8)
        guard case .answer(3, let same) = try QMPMessage(line: line) else {
            Issue.record("no answer")
            return
        }
        #expect(try QMPMessage.result(QMPStatus.self, of: same).status == "running")
        #expect(throws: (any Error).self) { try message("nonsense") }
    }

    /// The other end of a connection, which answers by a script.
    private final class Monitor: Sendable {
        let pair: SocketPair
        let channel: any Channel

        init(answer: @escaping @Sendable (String, any Channel) -> Void) async throws {
            pair = try SocketPair()
            let splitter = Mutex(LineSplitter())
            let box = Mutex<(any Channel)?>(nil)
            let held = pair.other.take()
            channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
                .channelInitializer { channel in
                    box.withLock { $0 = channel }
                    return channel.pipeline.addHandler(
                        ByteSink { bytes in
                            guard let lines = try? splitter.withLock({ try $0.add(bytes) }),
                                let channel = box.withLock({ $0 })
                            else { return }
                            for line in lines { answer(String(decoding: line, as: UTF8.self), channel) }
                        })
                }.withConnectedSocket(held).get()
        }

        func say(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text + "\n"), promise: nil) }
    }

    private static func id(_ line: String) -> String {
        String(line[(line.firstRange(of: #""id":"#)?.upperBound ?? line.startIndex)...].prefix { $0.isNumber })
    }

    @Test("commands are answered in any order, refusals say why, events arrive in between")
    func client() async throws {
        let first = Mutex<String?>(nil)
        let monitor = try await Monitor { line, channel in
            func say(_ text: String) { channel.writeAndFlush(ByteBuffer(string: text + "\n"), promise: nil) }
            if line.contains("qmp_capabilities") {
                say(#"{"return": {}, "id": \#(Self.id(line))}"#)
            } else if line.contains("one") {
                first.withLock { $0 = Self.id(line) }
            } else if line.contains("two") {
                say(#"{"event": "RESET", "data": {"guest": true, "reason": "guest-reset"}}"#)
                say(#"{"return": {}, "id": \#(Self.id(line))}"#)
                say(#"{"error": {"class": "GenericError", "desc": "not now"}, "id": \#(first.withLock { $0 } ?? "")}"#)
            }
        }
        let client = QMPClient(logger: Logger(label: "test"))
        monitor.say(#"{"QMP": {"capabilities": []}}"#)
        try await client.open(monitor.pair, group: MultiThreadedEventLoopGroup.singleton, deadline: .seconds(30))
        async let one: Void = client.execute("one", deadline: .seconds(30))
        while first.withLock({ $0 }) == nil { await Task.yield() }
        try await client.execute("two", deadline: .seconds(30))
        do {
            try await one
            Issue.record("the refusal is lost")
        } catch {
            #expect("\(error)".contains("not now"))
        }
        var events = client.events.makeAsyncIterator()
        #expect(await events.next() == QMPEvent(name: .reset, reason: "guest-reset"))
        client.close()
        #expect(await events.next() == nil)
        await #expect(throws: VZEngineError.self) { () async throws in try await client.execute("x") }
        monitor.channel.close(promise: nil)
    }

    @Test("a monitor that never answers, or only greets, is given up at the deadline")
    func silent() async throws {
        for greets in [false, true] {
            let monitor = try await Monitor { _, _ in }
            if greets { monitor.say(#"{"QMP": {}}"#) }
            let client = QMPClient(logger: Logger(label: "test"))
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                try await client.open(
                    monitor.pair, group: MultiThreadedEventLoopGroup.singleton, deadline: .milliseconds(200))
            }
            #expect(error?.code == .deadline)
            monitor.channel.close(promise: nil)
        }
    }

    @Test("a command in flight ends with the connection")
    func lost() async throws {
        let monitor = try await Monitor { line, channel in
            if line.contains("qmp_capabilities") {
                channel.writeAndFlush(ByteBuffer(string: "{\"return\":{},\"id\":\(Self.id(line))}\n"), promise: nil)
            } else {
                channel.close(promise: nil)
            }
        }
        let client = QMPClient(logger: Logger(label: "test"))
        monitor.say(#"{"QMP": {}}"#)
        try await client.open(monitor.pair, group: MultiThreadedEventLoopGroup.singleton, deadline: .seconds(30))
        await #expect(throws: VZEngineError.self) { () async throws in _ = try await client.status() }
    }
}
