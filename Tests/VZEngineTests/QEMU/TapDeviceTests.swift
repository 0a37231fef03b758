#if os(Linux)
import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

@Suite("A machine's network device on a bridge")
struct TapDeviceTests {
    private static let canRun = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0

    private func links(of bridge: String) async throws -> String {
        try await Command.checked("ip", ["-o", "link", "show", "master", bridge]).text
    }

    @Test(
        "is on it, tells the machine's address once that speaks, and is gone with its last holder",
        .enabled(if: canRun, "skipped, because making network devices needs root and /dev/net/tun"))
    func life() async throws {
        let bridge = "vzt\(UInt32.random(in: 0...UInt32.max))"
        try await Command.checked("ip", ["link", "add", bridge, "type", "bridge"])
        do {
            try await Command.checked("ip", ["link", "set", bridge, "up"])
            let tap = try TapDevice.make(bridge: bridge)
            #expect(try await links(of: bridge).contains(tap.name))

            // Asks for another address, from 192.0.2.7, after a word from before it had one.
            let mac: [UInt8] = [0x52, 0x54, 0, 0, 0, 7]
            func question(_ sender: [UInt8]) -> [UInt8] {
                let arp: [UInt8] = [0, 1, 8, 0, 6, 4, 0, 1] + mac + sender + [0, 0, 0, 0, 0, 0, 192, 0, 2, 1]
                // Before it the header by which checksums are left to the host: nothing is.
                return [UInt8](repeating: 0, count: 10) + [UInt8](repeating: 0xff, count: 6) + mac + [8, 6] + arp
            }
            let learned = Task { try await tap.learnAddress(of: "52:54:00:00:00:07") }
            let done = Task { try await learned.value }
            let speaking = Task {
                while !Task.isCancelled {
                    for sender: [UInt8] in [[0, 0, 0, 0], [192, 0, 2, 7]] {
                        let frame = question(sender)
                        #expect(write(tap.descriptor.number, frame, frame.count) == frame.count)
                    }
                    try await Task.sleep(for: .milliseconds(20))
                }
            }
            #expect(try await done.value == "192.0.2.7")
            speaking.cancel()
            _ = await speaking.result

            let waiting = Task { try await tap.learnAddress(of: "52:54:00:00:00:08") }
            waiting.cancel()
            await #expect(throws: CancellationError.self) { () async throws in _ = try await waiting.value }

            tap.descriptor.close()
            #expect(try await links(of: bridge).isEmpty)
            #expect(throws: VZEngineError.self) { try TapDevice.make(bridge: "vzt-none") }
            try await Command.checked("ip", ["link", "del", bridge])
        } catch {
            try await Command.checked("ip", ["link", "del", bridge])
            throw error
        }
    }
}
#endif
