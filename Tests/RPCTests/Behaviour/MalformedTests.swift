import Foundation
import NIOCore
import RPC
import Testing

/// Bytes no client should send.
@Suite struct MalformedTests {
    static let preface = Array("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".utf8) + frame(4, 0, 0, [])

    static func frame(_ type: UInt8, _ flags: UInt8, _ stream: UInt32, _ payload: [UInt8]) -> [UInt8] {
        let length = payload.count
        var bytes = withUnsafeBytes(of: UInt32(length).bigEndian) { Array($0.dropFirst()) }
        bytes += [type, flags]
        bytes += withUnsafeBytes(of: stream.bigEndian) { Array($0) }
        return bytes + payload
    }

    /// An HPACK block of literal fields without indexing.
    static func headers(_ fields: [(String, String)]) -> [UInt8] {
        var block: [UInt8] = []
        for (name, value) in fields {
            block += [0x00, UInt8(name.utf8.count)]
            block += name.utf8
            block.append(UInt8(value.utf8.count))
            block += value.utf8
        }
        return block
    }

    static func request(
        _ method: String = "Echo", _ extra: [(String, String)] = [], contentType: String = "application/grpc"
    ) -> [UInt8] {
        frame(
            1, 0x4, 1,
            headers(
                [
                    (":method", "POST"), (":scheme", "http"), (":path", "/test.Service/\(method)"), (":authority", "x"),
                    ("content-type", contentType), ("te", "trailers"),
                ] + extra))
    }

    /// The header fields of all the server answers to `bytes`.
    private func answer(_ bytes: [UInt8]) async throws -> [String: String] {
        var fields: [String: String] = [:]
        try await Harness.run { harness async throws in
            let answer = try await harness.raw(bytes) { bytes in
                let fields = HeaderReader.fields(of: bytes)
                return fields["grpc-status"] != nil || fields[":status"].map { $0 != "200" } ?? false
            }
            fields = HeaderReader.fields(of: answer)
            let alive = try await harness.call("Echo", Blob("alive"))
            #expect(alive.text == "alive")
        }
        return fields
    }

    @Test func `garbage instead of HTTP/2 closes the connection`() async throws {
        try await Harness.run { harness async throws in
            let started = ContinuousClock.now
            _ = try await harness.raw(Array("GET / HTTP/1.1\r\nHost: x\r\n\r\n".utf8), for: .seconds(30))
            #expect(ContinuousClock.now - started < .seconds(20), "the server closes by itself")
        }
    }

    @Test(arguments: [
        ("a compressed message", frame(0, 1, 1, [1, 0, 0, 0, 1, 9]), 12),
        ("an absurd length", frame(0, 1, 1, [0, 0xff, 0xff, 0xff, 0xff]), 8),
        ("half a prefix", frame(0, 1, 1, [0, 0]), 13),
        ("half a message", frame(0, 1, 1, [0, 0, 0, 0, 9, 1]), 13),
        ("no message", frame(0, 1, 1, []), 13),
        ("two messages", frame(0, 1, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 13),
        ("an unknown flag", frame(0, 1, 1, [7, 0, 0, 0, 0]), 13),
        ("one message too many, with more to come", frame(0, 0, 1, [0, 0, 0, 0, 0, 0, 0, 0, 0, 0]), 13),
    ])
    func `gets a status`(name: String, data: [UInt8], code: Int) async throws {
        let fields = try await answer(Self.preface + Self.request() + data)
        #expect(fields["grpc-status"] == "\(code)")
    }

    @Test func `an unknown encoding, a wrong timeout, an unknown content type get an answer`() async throws {
        let encoding = try await answer(Self.preface + Self.request("Echo", [("grpc-encoding", "snappy")]))
        #expect(encoding["grpc-status"] == "12")
        #expect(encoding["grpc-accept-encoding"] == "identity")
        let timeout = try await answer(Self.preface + Self.request("Echo", [("grpc-timeout", "soon")]))
        #expect(timeout["grpc-status"] == "3")
        let type = try await answer(Self.preface + Self.request(contentType: "text/html"))
        #expect(type[":status"] == "415")
        #expect(type["grpc-status"] == nil)
    }

    @Test func `random frames never crash the server`() async throws {
        let seed =
            ProcessInfo.processInfo.environment["VZCRI_FAULT_SEED"].flatMap(UInt64.init) ?? .random(in: 0...UInt64.max)
        let rounds = ProcessInfo.processInfo.environment["VZCRI_FAULT_ROUNDS"].flatMap(Int.init) ?? 5
        print("random frames: VZCRI_FAULT_SEED=\(seed)")
        var random = SplitMix(state: seed)
        try await Harness.run { harness async throws in
            for _ in 0..<(rounds * 20) {
                var bytes = Bool.random(using: &random) ? Self.preface : Array(Self.preface.prefix(24))
                for _ in 0..<Int.random(in: 1...20, using: &random) {
                    if Int.random(in: 0...3, using: &random) == 0 {
                        bytes += Self.request()
                    } else {
                        let payload = (0..<Int.random(in: 0...64, using: &random)).map { _ in
                            UInt8.random(in: 0...255, using: &random)
                        }
                        bytes += Self.frame(
                            .random(in: 0...11, using: &random), .random(in: 0...255, using: &random),
                            .random(in: 0...5, using: &random), payload)
                    }
                }
                if Bool.random(using: &random) { bytes = Array(bytes.dropLast(Int.random(in: 0...20, using: &random))) }
                _ = try await harness.raw(bytes, for: .milliseconds(20))
            }
            #expect(try await harness.call("Echo", Blob("alive")).text == "alive")
        }
    }
}

struct SplitMix: RandomNumberGenerator {
    var state: UInt64
    mutating func next() -> UInt64 {
        state &+= 0x9e37_79b9_7f4a_7c15
        var z = state
        z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
        z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
        return z ^ (z >> 31)
    }
}
