#if VIRTUALIZATION_DOUBLE
import Foundation
import NIOConcurrencyHelpers
import Processes
import Support
import Testing
import Virtualization

@testable import VZEngine
@testable import VZEngineApple

@Suite("A machine of Virtualization.framework", .timeLimit(.minutes(3)))
struct AppleMachineTests {
    private func onMac(
        _ kind: AppleTestMachine.Kind = .linux, _ body: (SimulatedMac, AppleTestMachine) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory async throws in
            let mac = SimulatedMac(at: directory)
            try await body(mac, try await AppleTestMachine.make(kind, on: mac, in: directory))
        }
    }

    private func failure(_ test: AppleTestMachine) async -> VZEngineError? {
        await #expect(throws: VZEngineError.self) { () async throws in _ = try await test.start() }
    }

    @Test("a third Mac is refused as exhausted, whoever runs the others, and leaves nothing")
    func limit() async throws {
        try await withTemporaryDirectory { directory async throws in
            let mac = SimulatedMac(at: directory)
            let one = try await AppleTestMachine.make(.mac, on: mac, in: directory, name: "a")
            let two = try await AppleTestMachine.make(.mac, on: mac, in: directory, name: "b")
            let run = try await one.start()
            mac.macsOfOtherApps = 1
            let error = await failure(two)
            #expect(error?.code == .exhausted)
            #expect(error?.message.contains("VZError 6") == true)
            #expect(error?.message.contains("another app") == true)
            #expect(DiskHolders.of(two.config.disks[0].path).isEmpty)
            // A Linux guest needs no place.
            let linux = try await AppleTestMachine.make(.linux, on: mac, in: directory, name: "l")
            let other = try await linux.start()
            await other.machine.powerOff()
            mac.macsOfOtherApps = 0
            let second = try await two.start()
            await run.machine.powerOff()
            await second.machine.powerOff()
            #expect(mac.macsRunning == 0)
        }
    }

    @Test("a place that a guest's own shutdown leaked is told as such")
    func leaked() async throws {
        try await onMac(.mac) { mac, test async throws in
            mac.behaviour.macShutdownLeaksSlot = true
            for _ in 0..<2 {
                let run = try await test.start()
                run.guest.perform(.powerOff)
                #expect(await run.machine.waitForEnd() == .poweredOff)
            }
            let error = await failure(test)
            #expect(error?.code == .exhausted)
            #expect(error?.message.contains("restart this Mac") == true)
        }
    }

    @Test("its place is free when its process is gone, and not before it has ended for its owner")
    func lingering() async throws {
        try await onMac(.mac) { mac, test async throws in
            mac.behaviour.serviceLingers = .milliseconds(300)
            let run = try await test.start()
            let process = try #require(run.machine.processes.first)
            #expect(process.id == run.guest.service)
            #expect(run.machine.processes.count == 1)
            await run.machine.powerOff()
            #expect(!process.isAlive)
            #expect(await run.machine.waitForEnd() == .forced)
        }
    }

    @Test("a process that does not go is killed")
    func stuckProcess() async throws {
        try await onMac { mac, original async throws in
            var test = original
            test.options.stopDeadline = .milliseconds(100)
            mac.behaviour.serviceLingers = .seconds(3)
            let run = try await test.start()
            let process = try #require(run.machine.processes.first)
            await run.machine.powerOff()
            #expect(await run.machine.waitForEnd() == .forced)
            #expect(!process.isAlive)
        }
    }

    @Test("a machine that the framework does not stop is killed")
    func stuckStop() async throws {
        try await onMac { mac, original async throws in
            var test = original
            test.options.stopDeadline = .milliseconds(100)
            let run = try await test.start()
            mac.behaviour.stopTime = .seconds(3600)
            await run.machine.powerOff()
            #expect(await run.machine.waitForEnd() == .forced)
            #expect(run.machine.processes.allSatisfy { !$0.isAlive })
        }
    }

    @Test("a machine that does not start in time is given up; nothing of it is left")
    func stuckStart() async throws {
        try await onMac(.mac) { mac, original async throws in
            var test = original
            test.options.startDeadline = .milliseconds(50)
            test.options.stopDeadline = .seconds(30)
            mac.behaviour.startTime = .milliseconds(400)
            let error = await failure(test)
            #expect(error?.code == .deadline)
            #expect(try await test.leftovers == [])
        }
    }

    @Test(
        "the framework's errors say what to do",
        arguments: [
            (VZError.Code.outOfDiskSpace, VZEngineError.Code.exhausted), (.notSupported, .unsupported),
            (.internalError, .startFailed), (.invalidVirtualMachineConfiguration, .invalidArgument),
            (.networkError, .startFailed),
        ])
    func startErrors(_ code: VZError.Code, _ ours: VZEngineError.Code) async throws {
        try await onMac { mac, test async throws in
            mac.behaviour.startError = code
            let error = await failure(test)
            #expect(error?.code == ours)
            #expect(error?.message.hasPrefix("cannot start the machine: ") == true)
            #expect(try await test.leftovers == [])
            mac.behaviour.startError = nil
            let run = try await test.start()
            await run.machine.powerOff()
        }
    }

    @Test("a missing entitlement is told as such")
    func entitlement() {
        let words = "The process doesn’t have the “com.apple.security.virtualization” entitlement."
        let error = VZError(.invalidVirtualMachineConfiguration, userInfo: [NSLocalizedDescriptionKey: words])
        #expect("\(AppleErrors.error("start the machine", error))".contains("make sign"))
    }

    @Test("a lost network is told; the machine lives on")
    func networkLost() async throws {
        try await onMac { _, test async throws in
            let run = try await test.start()
            run.guest.perform(.loseNetwork)
            var changes = run.machine.changes.makeAsyncIterator()
            guard case .networkLost(let reason) = await changes.next() else {
                Issue.record("nobody said so")
                return
            }
            #expect(reason.contains("disconnected"))
            #expect(run.guest.state == .running)
            await run.machine.powerOff()
            #expect(await changes.next() == nil)
        }
    }

    @Test("a guest that crashes the machine has crashed; one that panicked before says so")
    func crashes() async throws {
        try await onMac { _, test async throws in
            let run = try await test.start()
            run.guest.perform(.crash)
            guard case .crashed(let message) = await run.machine.waitForEnd() else {
                Issue.record("it has not crashed")
                return
            }
            #expect(message.contains("stopped unexpectedly"))
            let second = try await test.start()
            second.guest.perform(.panic(restarts: false))
            second.guest.perform(.crash)
            #expect(
                await second.machine.waitForEnd() == .panicked(message: "Kernel panic - not syncing: simulated"))
        }
    }

    @Test("memory that the guest gives back is asked for by the balloon")
    func balloon() async throws {
        try await onMac { _, test async throws in
            let run = try await test.start()
            try await run.machine.setMemory(bytes: (256 << 20) + 5)
            #expect(run.guest.memoryTarget == 256 << 20)
            #expect(try await run.machine.statistics().memoryBytes == 256 << 20)
            await run.machine.powerOff()
        }
    }

    @Test("a guest is found by its hardware address, on the interface it is bridged to")
    func address() async throws {
        try await onMac { _, original async throws in
            var test = original
            test.addresses = { mac, interface in "\(mac) \(interface ?? "nat")" }
            test.config.network.macAddress = "52:54:00:00:00:01"
            test.config.credentials.port = 2222
            let run = try await test.start()
            #expect(
                try await run.machine.guestAddress() == GuestAddress(host: "52:54:00:00:00:01 nat", port: 2222))
            await run.machine.powerOff()
            test.config.network.mode = .bridged
            test.config.network.interface = "en0"
            let bridged = try await test.start()
            #expect(try await bridged.machine.guestAddress().host == "52:54:00:00:00:01 en0")
            await bridged.machine.powerOff()
        }
    }

    @Test("a guest is looked for by its card as long as it lives, and followed")
    func follows() async throws {
        try await onMac { _, original async throws in
            var test = original
            test.config.network.macAddress = "52:54:00:00:00:01"
            test.config.credentials.port = 2222
            let (place, asked) = (ToldPlace(), NIOLockedValueBox<[String?]>([]))
            test.sources = { interface in
                asked.withLockedValue { $0.append(interface) }
                return [place]
            }
            let run = try await test.start()
            place.say("192.168.64.7")
            #expect(try await run.machine.guestAddress() == GuestAddress(host: "192.168.64.7", port: 2222))
            var changes = run.machine.changes.makeAsyncIterator()
            place.say("192.168.64.9")
            #expect(await changes.next() == .addressChanged(GuestAddress(host: "192.168.64.9", port: 2222)))
            #expect(place.card == "52:54:00:00:00:01")
            #expect(asked.withLockedValue { $0 } == [nil])
            await run.machine.powerOff()
            #expect(place.isLeft)
            #expect(await changes.next() == nil)
        }
    }

    @Test("a state that cannot be written leaves no file, and the machine goes on")
    func saveFails() async throws {
        try await onMac(.mac) { mac, test async throws in
            let run = try await test.start()
            let path = test.bundle.directory + "/state"
            try await run.machine.pause()
            mac.behaviour.diskIsFull = true
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                try await run.machine.save(to: path)
            }
            #expect(error?.code == .exhausted)
            #expect(!FileManager.default.fileExists(atPath: path + ".identifier"))
            mac.behaviour.diskIsFull = false
            try await run.machine.save(to: path)
            try await run.machine.resume()
            await run.machine.powerOff()
            // With another device it is another machine.
            var other = test
            other.config.restoreFrom = path
            other.config.cpus += 1
            let refused = await failure(other)
            #expect(refused?.message.contains("very machine") == true)
        }
    }

    @Test("what happens together ends in one end", arguments: AppleTestMachine.Kind.allCases)
    func storm(_ kind: AppleTestMachine.Kind) async throws {
        var random = Faults.random("what happens together")
        for _ in 0..<Faults.rounds {
            var deeds: [Int] = []
            for _ in 0..<8 { deeds.append(Int.random(in: 0..<7, using: &random)) }
            try await onMac(kind) { _, test async throws in
                let run = try await test.start()
                let (machine, guest) = (run.machine, run.guest)
                await withTaskGroup(of: Void.self) { group in
                    for deed in deeds {
                        group.addTask {
                            // Some of it comes too late, and says so.
                            switch deed {
                            case 0: try? await machine.pause()
                            case 1: try? await machine.resume()
                            case 2: try? await machine.pressPowerButton()
                            case 3: guest.perform(.powerOff)
                            case 4: guest.perform(.panic(restarts: false))
                            case 5: try? await machine.setMemory(bytes: 128 << 20)
                            default: try? await machine.save(to: test.bundle.directory + "/\(UInt32.random(in: 0...9))")
                            }
                        }
                    }
                }
                await machine.powerOff()
                let end = await machine.waitForEnd()
                let again = await machine.waitForEnd()
                #expect(end == again)
                #expect(try await test.leftovers == [], "\(deeds)")
            }
        }
    }
}
#endif
