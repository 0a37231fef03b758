import NIOCore
import Streaming
import Support
import Testing

@Suite struct PortForwardTests {
    private static let echo: PortForwardBackend = { port, connection in
        try await connection.write(ByteBuffer(string: "\(port):"))
        for try await bytes in connection.inbound { try await connection.write(bytes) }
    }

    @Test func `twenty connections share one session`() async throws {
        try await Harness.run { harness async throws in
            let session = try await harness.forward(Self.echo)
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 1...20 {
                    group.addTask {
                        let connection = try await session.open(port: 8000 + number)
                        let payload = [UInt8](repeating: UInt8(number), count: 200_000)
                        async let sent: Void = {
                            try await connection.write(ByteBuffer(bytes: payload))
                            try await connection.closeOutput()
                        }()
                        let back = try await connection.inbound.collect()
                        try await sent
                        #expect(back == Array("\(8000 + number):".utf8) + payload)
                    }
                }
                try await group.waitForAll()
            }
            await session.close()
        }
    }

    @Test func `what goes wrong is told, and other connections go on`() async throws {
        try await Harness.run { harness async throws in
            let session = try await harness.forward { port, connection in
                guard port != 1 else { throw StreamingError(.failed, "connection refused") }
                try await Self.echo(port, connection)
            }
            let bad = try await session.open(port: 1)
            await #expect { _ = try await bad.inbound.collect() } throws: { "\($0)".contains("connection refused") }
            let good = try await session.open(port: 2)
            try await good.closeOutput()
            let answer = try await good.inbound.collect()
            #expect(answer == Array("2:".utf8))
            await session.close()
        }
    }
}
