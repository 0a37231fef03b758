import NIOCore
import Proto
import RPC

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// How long our protobuf takes to encode and decode a `ListContainersResponse`, measured as the Go client measures its
/// own: the best of nine rounds of 500. Prints one line of JSON, in microseconds.
enum ProtoBench {
    private static let calls = 500
    private static let rounds = 9

    static func run() {
        guard CommandLine.arguments.count == 2, let bytes = read(CommandLine.arguments[1]) else {
            fail("usage: proto-bench FILE (a ListContainersResponse in its wire form)")
        }
        do {
            let list = try decode(bytes)
            let encoding = try best {
                var buffer = ByteBuffer()
                try list.appendWireBytes(to: &buffer)
                return buffer.readableBytes
            }
            let decoding = try best { try decode(bytes).containers.count }
            print("{\"encode\": \(encoding), \"decode\": \(decoding), \"bytes\": \(bytes.count)}")
        } catch {
            fail("\(error)")
        }
    }

    private static func decode(_ bytes: [UInt8]) throws -> CRI.ListContainersResponse {
        try bytes.withUnsafeBytes { try CRI.ListContainersResponse(wireBytes: $0) }
    }

    /// Microseconds per call in the fastest round.
    private static func best(_ work: () throws -> Int) throws -> Double {
        var least = Duration.seconds(3600)
        var check = 0
        for _ in 0..<rounds {
            let took = try ContinuousClock().measure {
                for _ in 0..<calls { check &+= try work() }
            }
            least = min(least, took)
        }
        // Used, so that nothing is optimised away.
        guard check > 0 else { fail("the list is empty") }
        return least / .microseconds(calls)
    }

    private static func read(_ path: String) -> [UInt8]? {
        guard let file = fopen(path, "rb") else { return nil }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while case let count = fread(&chunk, 1, chunk.count, file), count > 0 { bytes += chunk[..<count] }
        return bytes
    }

    private static func fail(_ text: String) -> Never {
        _ = text.withCString { write(2, $0, strlen($0)) }
        exit(1)
    }
}
