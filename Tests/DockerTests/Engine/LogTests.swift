import Docker
import NIOCore
import Support
import Testing

extension EngineTests {
    @Suite("Logs")
    struct Logs {
        @Test("both streams, empty lines and a last line without end")
        func streams() async throws {
            let script = "echo one; sleep 0.1; echo two >&2; sleep 0.1; echo; printf end"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                let expected = ["stdout:one", "stderr:two", "stdout:", "stdout:end"]
                #expect(try await TestEngine.lines(client, id, follow: true) == expected)
                #expect(try await TestEngine.lines(client, id) == expected)
                #expect(try await TestEngine.entries(client, id, tail: 1).map { String(buffer: $0.bytes) } == ["end"])
            }
        }

        @Test("long lines come in pieces that make the line again", arguments: [16_383, 16_384, 16_385, 32_768, 40_000])
        func pieces(_ length: Int) async throws {
            let script = "head -c \(length) /dev/zero | tr '\\0' x; echo; echo next"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                let entries = try await TestEngine.entries(client, id, follow: true)
                var lines = [""]
                for entry in entries {
                    lines[lines.count - 1] += String(buffer: entry.bytes)
                    if !entry.isPartial { lines.append("") }
                }
                #expect(lines == [String(repeating: "x", count: length), "next", ""])
            }
        }

        @Test("with a terminal too", arguments: [100, 16_384, 40_000])
        func terminal(_ length: Int) async throws {
            let script = "head -c \(length) /dev/zero | tr '\\0' x; echo; echo next; printf '$ '"
            try await TestEngine.withContainer(["sh", "-c", script], tty: true) { client, id in
                for follow in [true, false] {
                    let entries = try await TestEngine.entries(client, id, follow: follow, tty: true)
                    var lines = [""]
                    for entry in entries {
                        #expect(entry.stream == .stdout)
                        lines[lines.count - 1] += String(buffer: entry.bytes)
                        if !entry.isPartial { lines.append("") }
                    }
                    #expect(lines == [String(repeating: "x", count: length) + "\r", "next\r", "$ ", ""], "follow \(follow)")
                }
            }
        }

        @Test("bytes that are no text arrive as they are")
        func binary() async throws {
            let script = #"printf '\377\376\000\303(\r\033[1m\n'"#
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                let entries = try await TestEngine.entries(client, id, follow: true)
                #expect(entries.map { Array($0.bytes.readableBytesView) } == [[255, 254, 0, 0xc3, 0x28, 13, 27, 0x5b, 0x31, 0x6d]])
            }
        }

        @Test("since a message's time the log begins with that message")
        func since() async throws {
            let script = "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                let all = try await TestEngine.entries(client, id, follow: true)
                #expect(all.map { String(buffer: $0.bytes) } == ["1", "2", "3", "4", "5"])
                #expect(all.map(\.timestamp) == all.map(\.timestamp).sorted())
                for (index, entry) in all.enumerated() {
                    #expect(try await TestEngine.entries(client, id, since: entry.timestamp) == Array(all[index...]))
                }
            }
        }

        @Test("times are of our clock, whatever the engine's zone")
        func times() async throws {
            try await TestEngine.withContainer(["sh", "-c", "date +%s"]) { client, id in
                let entry = try #require(try await TestEngine.entries(client, id, follow: true).first)
                let seconds = try #require(Int64(String(buffer: entry.bytes)))
                #expect(abs(entry.timestamp / 1_000_000_000 - seconds) <= 5)
            }
        }

        @Test("following goes on until the container ends")
        func follow() async throws {
            try await TestEngine.withContainer(["sh", "-c", "read line; echo got $line"], stdin: true) { client, id in
                var entries = try await client.logs(id, follow: true, tty: false).makeAsyncIterator()
                let stdin = try await client.attachContainer(id, stdin: true, stdout: false, stderr: false, tty: false)
                try await stdin.write(ByteBuffer(string: "it\n"))
                #expect(try await entries.next()?.map { String(buffer: $0.bytes) } == ["got it"])
                #expect(try await entries.next() == nil)
                await stdin.close()
            }
        }

        @Test("much output comes whole and in order")
        func volume() async throws {
            try await TestEngine.withContainer(["seq", "1", "200000"]) { client, id in
                var expected = 1
                for try await batch in try await client.logs(id, follow: true, tty: false) {
                    for entry in batch {
                        guard String(buffer: entry.bytes) == String(expected) else {
                            Issue.record("\(String(buffer: entry.bytes)) came where \(expected) should have")
                            return
                        }
                        expected += 1
                    }
                }
                #expect(expected == 200_001)
            }
        }

        @Test("a container that is not there is not found")
        func absent() async throws {
            let client = try await TestEngine.client()
            #expect(await TestEngine.code { try await client.logs("vzt-none", follow: false, tty: false) } == .notFound)
            await client.close()
        }
    }
}
