import NIOCore
import RPC
import Support
import Testing

@Suite struct StreamingTests {
    @Test(arguments: [0, 1, 1000])
    func `a stream brings every message in order`(count: Int) async throws {
        try await Harness.run { harness async throws in
            var seen: [String] = []
            for try await blob in try harness.client.stream(TestService.streaming("Numbers"), Blob("\(count)")) {
                seen.append(blob.text)
            }
            #expect(seen == (0..<count).map(String.init))
        }
    }

    @Test func `a status after messages arrives after them`() async throws {
        try await Harness.run { harness async throws in
            var seen: [String] = []
            let error = await status {
                for try await blob in try harness.client.stream(TestService.streaming("FailAfterOne"), Blob("one")) {
                    seen.append(blob.text)
                }
            }
            #expect(seen == ["one"])
            #expect(error?.code == .aborted)
        }
    }

    @Test func `a slow reader of 100 MB costs bounded memory`() async throws {
        let total = 100 << 20
        try await Harness.run { harness async throws in
            let stream = try harness.client.stream(TestService.streaming("Flood"), Blob("\(total)"))
            var iterator = stream.makeAsyncIterator()
            var received = try #require(try await iterator.next()).bytes.count
            let limit = ServerLimits().pendingOutput
            // Nobody reads: the windows fill, then the server's queue, then the handler is held.
            try await eventually("the handler is held back") { harness.service.pending > limit / 2 }
            // One stream window, the reader's few messages, the queue, and what the socket holds.
            #expect(harness.service.written < 8 << 20)
            while let blob = try await iterator.next() { received += blob.bytes.count }
            #expect(received == total)
            #expect(harness.service.written == total)
        }
    }

    @Test func `a stream nobody reads does not hold up other calls`() async throws {
        try await Harness.run { harness async throws in
            let stalled = try (0..<20).map { _ in
                try harness.client.stream(TestService.streaming("Flood"), Blob("\(100 << 20)"))
            }
            try await eventually("twenty floods wait") { harness.service.running == 20 }
            for number in 0..<50 { #expect(try await harness.call("Echo", Blob("\(number)")).text == "\(number)") }
            withExtendedLifetime(stalled) {}
        }
    }

    @Test func `dropping a stream cancels its handler`() async throws {
        try await Harness.run { harness async throws in
            do {
                var iterator = try harness.client.stream(TestService.streaming("Flood"), Blob("\(100 << 20)"))
                    .makeAsyncIterator()
                _ = try await iterator.next()
            }
            try await eventually("the handler is cancelled") {
                harness.service.cancelled == 1 && harness.service.running == 0
            }
        }
    }

    @Test func `cancelling the reading task cancels the handler`() async throws {
        try await Harness.run { harness async throws in
            let reader = Task {
                for try await _ in try harness.client.stream(TestService.streaming("Silent"), Blob("")) {}
            }
            try await eventually("the handler runs") { harness.service.running == 1 }
            reader.cancel()
            try await eventually("the handler is cancelled") { harness.service.cancelled == 1 }
        }
    }

    @Test func `openStream returns once the server took the call, or throws why it did not`() async throws {
        try await Harness.run { harness async throws in
            let stream = try await harness.client.openStream(TestService.streaming("Silent"), Blob(""))
            let error = await status {
                _ = try await harness.client.openStream(TestService.streaming("Nothing"), Blob(""))
            }
            #expect(error?.code == .unimplemented)
            withExtendedLifetime(stream) {}
        }
    }
}
