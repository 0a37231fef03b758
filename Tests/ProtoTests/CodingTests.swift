import NIOCore
import Proto
import RPC
import Testing

private func encode(_ message: some RPCMessage) throws -> [UInt8] {
    var buffer = ByteBuffer()
    try message.appendWireBytes(to: &buffer)
    return Array(buffer.readableBytesView)
}

private func decode<M: RPCMessage>(_ type: M.Type = M.self, _ bytes: [UInt8]) throws -> M {
    try bytes.withUnsafeBytes { try M(wireBytes: $0) }
}

@Suite("Message coding")
struct CodingTests {
    static func sample() -> CRI.ListContainersResponse {
        .init {
            $0.containers = (0..<100).map { index in
                CRI.Container {
                    $0.id = String(repeating: "0123456789abcdef", count: 4)
                    $0.podSandboxId = String(repeating: "f", count: 64)
                    $0.metadata = .init {
                        $0.name = "c\(index)"; $0.attempt = UInt32(index)
                    }
                    $0.image = .init {
                        $0.image = "sha256:abc"; $0.annotations = ["a": "b"]
                    }
                    $0.state = .containerRunning
                    $0.createdAt = Int64.max - Int64(index)
                    $0.labels = ["io.kubernetes.pod.name": "pod", "ü": "ö"]
                }
            }
        }
    }

    @Test("what was encoded is decoded again, maps, enums and nested messages included")
    func roundTrip() throws {
        let message = Self.sample()
        #expect(try decode(CRI.ListContainersResponse.self, encode(message)) == message)
    }

    @Test("the bytes are those of protobuf")
    func golden() throws {
        #expect(try encode(CRI.VersionRequest { $0.version = "v1" }) == [0x0a, 2, 0x76, 0x31])
        #expect(
            try encode(CRI.PodSandboxFilter { $0.labelSelector = ["k": "v"] }) == [
                0x1a, 6, 0x0a, 1, 0x6b, 0x12, 1, 0x76,
            ])
        #expect(try encode(CRI.VersionRequest()).isEmpty)
        #expect(
            try encode(
                CRI.ExecSyncResponse {
                    $0.stdout = [0, 1]; $0.exitCode = -1
                }) == [
                    0x0a, 2, 0, 1, 0x18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1,
                ])
    }

    @Test("an absent message and an empty one differ")
    func presence() throws {
        let absent = try decode(CRI.ListContainersRequest.self, encode(CRI.ListContainersRequest()))
        let empty = try decode(
            CRI.ListContainersRequest.self, encode(CRI.ListContainersRequest { $0.filter = .init() }))
        #expect(absent.filter == nil)
        #expect(empty.filter != nil)
    }

    @Test("enum values that nobody defined survive, unknown fields are passed over")
    func tolerance() throws {
        let status = CRI.ContainerStatus { $0.state = .init(rawValue: 77) }
        #expect(try decode(CRI.ContainerStatus.self, encode(status)).state.rawValue == 77)
        #expect(try decode(CRI.VersionRequest.self, [0xfa, 0x7f, 1, 9, 0x0a, 1, 0x78]).version == "x")
    }

    @Test("a string that is not UTF-8 is refused, and the field is named")
    func utf8() throws {
        let error = #expect(throws: (any Error).self) { try decode(CRI.VersionRequest.self, [0x0a, 2, 0xc3, 0x28]) }
        #expect("\(try #require(error))".contains("VersionRequest.version"))
    }

    @Test("a NUL inside a string is refused in both directions, and survives in bytes")
    func nul() throws {
        #expect(throws: (any Error).self) { try decode(CRI.VersionRequest.self, [0x0a, 3, 0x61, 0, 0x62]) }
        #expect(throws: (any Error).self) {
            try decode(CRI.PodSandboxFilter.self, [0x1a, 7, 0x0a, 1, 0x6b, 0x12, 2, 0x76, 0])
        }
        #expect(throws: (any Error).self) { try encode(CRI.VersionRequest { $0.version = "a\0b" }) }
        #expect(throws: (any Error).self) { try encode(CRI.PodSandboxFilter { $0.labelSelector = ["a\0": "b"] }) }
        let output = CRI.ExecSyncResponse { $0.stdout = [0, 0, 65] }
        #expect(try decode(CRI.ExecSyncResponse.self, encode(output)) == output)
    }

    @Test(
        "malformed bytes are an error",
        arguments: [
            [0x0a], [0x0a, 5, 0x61], [0x0a, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x0b], [0x08, 1],
            [0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01],
        ] as [[UInt8]])
    func malformed(bytes: [UInt8]) {
        #expect(throws: (any Error).self) { try decode(CRI.VersionRequest.self, bytes) }
    }

    @Test("random damage never crashes")
    func fuzz() throws {
        let seed = UInt64.random(in: .min ... .max)
        print("ProtoTests fuzz seed \(seed)")
        var random = SplitMix(state: seed)
        let good = try encode(Self.sample())
        for _ in 0..<300 {
            var bad = Array(good.prefix(Int(random.next() % UInt64(good.count))))
            for _ in 0..<4 where !bad.isEmpty {
                bad[Int(random.next() % UInt64(bad.count))] = UInt8(truncatingIfNeeded: random.next())
            }
            _ = try? decode(CRI.ListContainersResponse.self, bad)
        }
    }

    @Test("a small input cannot ask for a large memory")
    func amplification() {
        let bytes = (0..<4_000_000).flatMap { _ in [0x0a, 0] as [UInt8] }
        #expect(throws: (any Error).self) { try decode(CRI.ListContainersResponse.self, bytes) }
    }

    @Test("text shows protobuf's JSON and hides secrets")
    func text() {
        let request = CRI.PullImageRequest {
            $0.image = .init { $0.image = "a\"b" }
            $0.auth = .init {
                $0.username = "u"; $0.password = "secret"
            }
        }
        #expect(request.description == #"{"image":{"image":"a\"b"},"auth":{"username":"u","password":"[redacted]"}}"#)
        #expect(request.json.contains("secret"))
        let container = CRI.Container {
            $0.state = .containerRunning; $0.createdAt = 5; $0.labels = ["k": "v"]
        }
        #expect(container.json == #"{"state":"CONTAINER_RUNNING","createdAt":"5","labels":{"k":"v"}}"#)
    }
}

private struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
