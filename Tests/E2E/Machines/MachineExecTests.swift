import Foundation
import Support
import Testing

/// Commands in a guest with OpenSSH as Debian configures it, through the whole of the shim.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineExecTests {
    @Test(.timeLimit(.minutes(30)))
    func `commands in a row leave nothing behind in the shim, the supervisor or the guest`() async throws {
        try await MachineHost.with(server: .openssh) { shim in
            let config = shim.sandboxConfig("row")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            let supervisor = try #require(
                try Leftovers.processes(below: "machines/\(machine)").first { $0.contains("vm-host") })
            let id = try #require(supervisor.split(separator: " ").first.flatMap { Int32($0) })
            func processes() async throws -> Int {
                try #require(
                    Int(
                        try await shim.execute(
                            machine, ["sh", "-c", "ls -l /proc/[0-9]*/exe 2>/dev/null | grep -c -e '->'"]
                        ).text.filter(
                            \.isNumber)))
            }
            // An allocator has all it needs after some two thousand, and takes no more for the next thousand.
            let isLong = Faults.rounds >= 100
            for number in 0..<(isLong ? 2000 : 20) {
                #expect(try await shim.execute(machine, ["echo", "\(number)"]).text == "\(number)\n")
            }
            let before = (try shim.footprint(), try Footprint.of(id), try await processes())
            for number in 0..<(isLong ? 1000 : Faults.rounds * 10) {
                #expect(try await shim.execute(machine, ["echo", "\(number)"]).text == "\(number)\n")
            }
            let after = (try shim.footprint(), try Footprint.of(id))
            print("the shim before \(before.0), after \(after.0); vm-host before \(before.1), after \(after.1)")
            #expect(after.0.isNoMore(than: before.0), "the shim before \(before.0), after \(after.0)")
            #expect(after.1.isNoMore(than: before.1), "vm-host before \(before.1), after \(after.1)")
            // Servers of connections that ended may take a moment; the kernel's own come and go.
            try await eventually("no process is left in the guest") { try await processes() <= before.2 }
        }
    }
}
