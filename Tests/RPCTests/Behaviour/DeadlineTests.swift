import NIOCore
import RPC
import Support
import Testing

@Suite struct DeadlineTests {
    @Test func `the handler sees the caller's deadline`() async throws {
        try await Harness.run { harness async throws in
            let left = try await harness.call("Deadline", Blob(""), timeout: .seconds(30)).text
            #expect((1...30_000_000_000).contains(Int64(left) ?? 0))
            #expect(try await harness.call("Deadline", Blob(""), timeout: nil).text == "none")
        }
    }

    @Test func `an expired call answers DEADLINE_EXCEEDED and its handler is cancelled`() async throws {
        try await Harness.run { harness async throws in
            let error = await status { _ = try await harness.call("Hang", Blob(""), timeout: .milliseconds(50)) }
            #expect(error?.code == .deadlineExceeded)
            try await eventually("the handler is cancelled") {
                harness.service.cancelled == 1 && harness.service.running == 0
            }
        }
    }

    @Test func `a deadline also ends a stream`() async throws {
        try await Harness.run { harness async throws in
            let error = await status {
                for try await _ in try harness.client.stream(
                    TestService.streaming("Silent"), Blob(""), timeout: .milliseconds(50))
                {}
            }
            #expect(error?.code == .deadlineExceeded)
            try await eventually("the handler is cancelled") { harness.service.cancelled == 1 }
        }
    }

    @Test func `cancelling the caller's task cancels the handler`() async throws {
        try await Harness.run { harness async throws in
            let call = Task { try await harness.call("Hang", Blob(""), timeout: nil) }
            try await eventually("the handler runs") { harness.service.running == 1 }
            call.cancel()
            await #expect(throws: CancellationError.self) { _ = try await call.value }
            try await eventually("the handler is cancelled") { harness.service.cancelled == 1 }
        }
    }

    @Test func `a task cancelled before it calls does not call`() async throws {
        try await Harness.run { harness async throws in
            let call = Task {
                withUnsafeCurrentTask { $0?.cancel() }
                return try await harness.call("Hang", Blob(""), timeout: nil)
            }
            await #expect(throws: CancellationError.self) { _ = try await call.value }
            #expect(harness.service.running == 0)
        }
    }

    @Test func `a lost connection cancels the handler and fails the call`() async throws {
        try await Harness.run { harness async throws in
            async let error = status { _ = try await harness.call("Hang", Blob(""), timeout: nil) }
            try await eventually("the handler runs") { harness.service.running == 1 }
            await harness.client.close()
            #expect(await error?.code == .unavailable)
            try await eventually("the handler is cancelled") { harness.service.cancelled == 1 }
            // And the next call connects anew.
            #expect(try await harness.call("Echo", Blob("again")).text == "again")
        }
    }
}
