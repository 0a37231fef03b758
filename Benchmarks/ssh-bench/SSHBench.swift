import GuestSSH
import Logging
import Measuring
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// Commands over SSH through ``GuestLink``, beside a bare loop over libssh2's channels, against the same server, in
/// interleaved rounds. Both sides run the same program: ours also sees to its arguments, its process id and its end.
///
///     ssh-bench PORT KEY_FILE ROUNDS
enum SSHBench {
    private static let commands = 50
    private static let bytes = 100_000_000

    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let port = UInt16(arguments[1]), let rounds = Int(arguments[3]), rounds > 0 else {
            fail("usage: ssh-bench PORT KEY_FILE ROUNDS")
        }
        let user = String(cString: getpwuid(getuid()).pointee.pw_name)
        do {
            let link = GuestLink(
                GuestSSHConfiguration(host: "127.0.0.1", port: Int(port), user: user, keyFile: arguments[2]),
                onHostKey: { _ in }, logger: Logger(label: "bench") { _ in SwiftLogNoOpLogHandler() })
            let bare = try BareSession(port: port, user: user, keyFile: arguments[2])
            try await compare("exec of true, median of \(rounds) rounds of \(commands)", rounds, atMost: 1.3) {
                for _ in 0..<commands { try await ours(link, ["true"]) }
            } bare: {
                for _ in 0..<commands { _ = try bare.run("true") }
            }
            let flood = "head -c \(bytes) /dev/zero"
            try await compare("100 MB from the guest", rounds, atMost: 1 / 0.9) {
                guard try await ours(link, ["head", "-c", "\(bytes)", "/dev/zero"]) == bytes else { throw short }
            } bare: {
                guard try bare.run(flood) == bytes else { throw short }
            }
            try await compare("100 MB to the guest", rounds, atMost: 1 / 0.9) {
                try await ours(link, ["sh", "-c", "cat >/dev/null"], input: bytes)
            } bare: {
                _ = try bare.run("cat >/dev/null", input: bytes)
            }
            await link.close()
        } catch {
            fail("\(error)")
        }
    }

    private static var short: BenchError { BenchError(description: "bytes are missing") }

    @discardableResult
    private static func ours(_ link: GuestLink, _ arguments: [String], input: Int = 0) async throws -> Int {
        let process = try await link.run(GuestCommand(arguments, hasInput: input > 0))
        async let said: Int = {
            var total = 0
            for try await event in process.output {
                switch event {
                case .output(let bytes), .errorOutput(let bytes): total += bytes.readableBytes
                case .exited(let exit):
                    guard exit == .code(0) else { throw BenchError(description: "\(arguments[0]) failed: \(exit)") }
                }
            }
            return total
        }()
        if input > 0 {
            let chunk = ByteBuffer(repeating: 0x78, count: 256 << 10)
            var left = input
            while left > 0 {
                let count = min(left, chunk.readableBytes)
                try await process.write(chunk.getSlice(at: 0, length: count)!)
                left -= count
            }
            try await process.closeInput()
        }
        return try await said
    }

    /// Who goes first changes from round to round. The first round only warms both sides.
    private static func compare(
        _ what: String, _ rounds: Int, atMost limit: Double, ours: () async throws -> Void, bare: () throws -> Void
    ) async throws {
        var (a, b): ([Double], [Double]) = ([], [])
        let clock = ContinuousClock()
        for round in 0...rounds {
            var (left, right) = (Duration.zero, Duration.zero)
            if round % 2 == 0 { right = try clock.measure(bare) }
            left = try await clock.measure(ours)
            if round % 2 == 1 { right = try clock.measure(bare) }
            if round == 0 { continue }
            a.append(left / .seconds(1))
            b.append(right / .seconds(1))
        }
        let (mine, peers) = (Measuring.median(a), Measuring.median(b))
        let ratio = mine / peers
        print(
            "\(what): \(Measuring.text(mine)) s, bare libssh2 \(Measuring.text(peers)) s: \(Measuring.text(ratio)) of its time; wanted at most "
                + "\(Measuring.text(limit)): \(ratio <= limit ? "met" : "missed")")
    }

    private static func fail(_ text: String) -> Never { Measuring.fail("ssh-bench", text) }
}
