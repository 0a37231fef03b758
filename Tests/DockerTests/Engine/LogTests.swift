import Docker
import NIOCore
import Support
import Testing

extension EngineTests {
    @Suite("Logs")
    struct Logs {
        @Test("both streams, empty lines and a last line without end")
        func streams() async throws {
            let script = "echo one; echo two >&2; echo; printf end"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let lines = try await TestEngine.lines(client, id)
                // Each stream is in order; the engine reads them side by side.
                #expect(lines.filter { $0.hasPrefix("stdout") } == ["stdout:one", "stdout:", "stdout:end…"])
                #expect(lines.filter { $0.hasPrefix("stderr") } == ["stderr:two"])
                let last = try await TestEngine.entries(client, id, tail: 1)
                #expect(last.count == 1)
            }
        }

        @Test(
            "long lines come in pieces that make the line again", arguments: [16_383, 16_384, 16_385, 32_768, 40_000])
        func pieces(_ length: Int) async throws {
            let script = "head -c \(length) /dev/zero | tr '\\0' x; echo; echo next"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let entries = try await TestEngine.entries(client, id)
                var lines = [""]
                for entry in entries {
                    lines[lines.count - 1] += String(buffer: entry.bytes)
                    if !entry.isPartial { lines.append("") }
                }
                let expected = [String(repeating: "x", count: length), "next", ""]
                #expect(lines.map(\.count) == expected.map(\.count))
                let isSame = lines == expected
                #expect(isSame)
            }
        }

        @Test("with a terminal too", arguments: [100, 16_384, 40_000])
        func terminal(_ length: Int) async throws {
            let script = "head -c \(length) /dev/zero | tr '\\0' x; echo; echo next; printf '$ '"
            try await TestEngine.withContainer(["sh", "-c", script], tty: true) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let entries = try await TestEngine.entries(client, id, tty: true)
                var lines = [""]
                for entry in entries {
                    #expect(entry.stream == .stdout)
                    lines[lines.count - 1] += String(buffer: entry.bytes)
                    if !entry.isPartial { lines.append("") }
                }
                let expected = [String(repeating: "x", count: length) + "\r", "next\r", "$ "]
                // Not the texts themselves: they are long.
                #expect(lines.map(\.count) == expected.map(\.count))
                let isSame = lines == expected
                #expect(isSame)
            }
        }

        @Test("bytes that are no text arrive as they are")
        func binary() async throws {
            let script = #"printf '\377\376\000\303(\r\033[1m\n'"#
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let entries = try await TestEngine.entries(client, id)
                #expect(
                    entries.map { Array($0.bytes.readableBytesView) } == [
                        [255, 254, 0, 0xc3, 0x28, 13, 27, 0x5b, 0x31, 0x6d]
                    ])
            }
        }

        @Test("since a message's time the log begins with that message")
        func since() async throws {
            let script = "for i in 1 2 3 4 5; do echo $i; sleep 0.05; done"
            try await TestEngine.withContainer(["sh", "-c", script]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let all = try await TestEngine.entries(client, id)
                #expect(all.map { String(buffer: $0.bytes) } == ["1", "2", "3", "4", "5"])
                #expect(all.map(\.timestamp) == all.map(\.timestamp).sorted())
                for (index, entry) in all.enumerated() {
                    let rest = try await TestEngine.entries(client, id, since: entry.timestamp)
                    #expect(rest == Array(all[index...]))
                }
            }
        }

        @Test("times are of our clock, whatever the engine's zone")
        func times() async throws {
            try await TestEngine.withContainer(["sh", "-c", "date +%s"]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                let entry = try #require(try await TestEngine.entries(client, id).first)
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
                let ended = try await entries.next()
                #expect(ended == nil)
                await stdin.close()
            }
        }

        /// Docker 20.10 ends a followed log early, and without a word, when its reader is behind as the container ends
        /// (and always without a last line that has no end, moby#43860). What it then sent is whole, and a second read
        /// from the last message on brings the rest.
        @Test("a followed log and what a second read adds are all of it, each line once and in order")
        func volume() async throws {
            let count = 50_000
            try await TestEngine.withContainer(["sh", "-c", "seq 1 \(count); printf end"]) { client, id in
                var lines: [LogEntry] = []
                for try await batch in try await client.logs(id, follow: true, tty: false) { lines += batch }
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(60))
                let last = try #require(lines.last?.timestamp)
                let known = lines.count - lines.count { $0.timestamp == last }
                lines.removeSubrange(known...)
                for try await batch in try await client.logs(id, follow: false, since: last, tty: false) {
                    lines += batch
                }
                #expect(lines.count == count + 1)
                #expect(lines.last.map { String(buffer: $0.bytes) } == "end")
                let wrong = lines.dropLast().enumerated().first { String(buffer: $1.bytes) != String($0 + 1) }
                #expect(wrong == nil, "line \((wrong?.offset ?? 0) + 1) is another")
                #expect(lines.dropLast().allSatisfy { !$0.isPartial } && lines.last?.isPartial == true)
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
