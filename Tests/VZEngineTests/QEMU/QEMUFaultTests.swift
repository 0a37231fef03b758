import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

/// Machines whose life is cut at random moments in random ways.
@Suite("A QEMU machine at any moment", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"))
struct QEMUFaultTests {
    @Test(
        "may be killed, switched off, frozen or lose a server: it ends once, and leaves nothing",
        .timeLimit(.minutes(10)))
    func faults() async throws {
        var random = Faults.random("QEMU faults")
        for round in 0..<Faults.rounds {
            let faults = (0..<Int.random(in: 1...4, using: &random)).map { _ in Int.random(in: 0..<6, using: &random) }
            let delays = faults.map { _ in Int.random(in: 0..<40, using: &random) }
            try await withTemporaryDirectory { directory async throws in
                var test = try TestMachine.idle(directory)
                test.config.shares = [.init(tag: "a", source: directory, readOnly: round.isMultiple(of: 2))]
                let machine = try await test.start {
                    $0.monitorInterval = .milliseconds(100)
                    $0.monitorDeadline = .seconds(2)
                }
                let processes = machine.machine.processes
                async let end = machine.machine.waitForEnd()
                await withTaskGroup { group in
                    for (fault, delay) in zip(faults, delays) {
                        group.addTask {
                            do {
                                try await Task.sleep(for: .milliseconds(delay))
                                switch fault {
                                case 0: await machine.machine.powerOff()
                                case 1: if processes[0].isAlive { kill(processes[0].id, SIGKILL) }
                                case 2: if processes[1].isAlive { kill(processes[1].id, SIGKILL) }
                                case 3: if processes[0].isAlive { kill(processes[0].id, SIGSTOP) }
                                case 4: try await machine.machine.pressPowerButton()
                                default: if processes[0].isAlive { kill(processes[0].id, SIGTERM) }
                                }
                            } catch {
                                // The button of a machine that ended meanwhile.
                                #expect(error is VZEngineError)
                            }
                        }
                    }
                }
                // What only pressed the button did nothing to this guest.
                if faults.allSatisfy({ $0 == 4 }) { await machine.machine.powerOff() }
                let outcome = await end
                #expect(outcome != .poweredOff, "round \(round): \(faults)")
                #expect(await machine.machine.waitForEnd() == outcome)
                for process in processes { #expect(!process.isAlive, "round \(round): \(faults)") }
                #expect(try test.leftovers.isEmpty, "round \(round): \(faults)")
            }
        }
    }
}
