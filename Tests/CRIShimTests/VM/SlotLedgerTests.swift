import Proto
import Support
import Testing
import VZEngine

@testable import CRIShim

@Suite struct SlotLedgerTests {
    @Test func `a machine waits when all slots are taken, and gets the one that frees`() throws {
        var ledger = SlotLedger(totals: [.linux: 2])
        try ledger.take(.linux, forMachine: "a", inSandbox: "s")
        try ledger.take(.linux, forMachine: "b", inSandbox: "t")
        let error = #expect(throws: ShimError.self) { try ledger.take(.linux, forMachine: "c", inSandbox: "u") }
        #expect(error?.code == .exhausted)
        #expect(error?.message.hasPrefix("WaitingForVMSlot:") == true)
        ledger.release(machine: "a")
        ledger.release(machine: "a")
        try ledger.take(.linux, forMachine: "c", inSandbox: "u")
        #expect(ledger.free(.linux) == 0)
    }

    @Test func `a pod reserves all its slots or none, and its machines use them`() throws {
        var ledger = SlotLedger(totals: [.linux: 3])
        try ledger.reserve(2, .linux, forSandbox: "pod")
        #expect(ledger.free(.linux) == 1)
        #expect(throws: ShimError.self) { try ledger.reserve(2, .linux, forSandbox: "other") }
        #expect(ledger.free(.linux) == 1, "nothing of a reservation that did not come about is kept")
        try ledger.take(.linux, forMachine: "a", inSandbox: "pod")
        try ledger.take(.linux, forMachine: "b", inSandbox: "pod")
        #expect(ledger.free(.linux) == 1)
        // A third one of the pod takes a free slot like anybody.
        try ledger.take(.linux, forMachine: "c", inSandbox: "pod")
        #expect(ledger.free(.linux) == 0)
        ledger.release(machine: "a")
        #expect(ledger.free(.linux) == 0, "it is the pod's, for its next machine")
        ledger.releaseReservation(ofSandbox: "pod")
        #expect(ledger.taken(.linux) == 2, "machines that still exist keep theirs")
    }

    @Test func `more than the host has is an error, not a wait`() throws {
        var ledger = SlotLedger(totals: [.linux: 2])
        let error = #expect(throws: ShimError.self) { try ledger.reserve(3, .linux, forSandbox: "pod") }
        #expect(error?.code == .invalidArgument)
    }

    @Test func `what a restart finds counts even when it is too much`() throws {
        var ledger = SlotLedger(totals: [.linux: 1])
        ledger.restoreReservation(2, .linux, forSandbox: "pod")
        ledger.restore(.linux, forMachine: "a", inSandbox: "pod")
        ledger.restore(.linux, forMachine: "b", inSandbox: "other")
        #expect(ledger.taken(.linux) == 3)
        #expect(throws: ShimError.self) { try ledger.take(.linux, forMachine: "c", inSandbox: "x") }
        ledger.release(machine: "b")
        ledger.releaseReservation(ofSandbox: "pod")
        ledger.release(machine: "a")
        #expect(ledger == SlotLedger(totals: [.linux: 1]))
    }

    @Test func `whatever happens in whatever order, slots are neither lost nor doubled`() throws {
        var random = Faults.random("slot ledger")
        for _ in 0..<Faults.rounds * 20 {
            var ledger = SlotLedger(totals: [.linux: Int.random(in: 1...4, using: &random)])
            for _ in 0..<200 {
                let sandbox = "s\(Int.random(in: 0..<4, using: &random))"
                let machine = "m\(Int.random(in: 0..<6, using: &random))"
                let before = ledger
                do {
                    switch Int.random(in: 0..<4, using: &random) {
                    case 0:
                        try ledger.reserve(Int.random(in: 1...3, using: &random), .linux, forSandbox: sandbox)
                    case 1: ledger.releaseReservation(ofSandbox: sandbox)
                    case 2: try ledger.take(.linux, forMachine: machine, inSandbox: sandbox)
                    default: ledger.release(machine: machine)
                    }
                } catch {
                    #expect(ledger == before, "a refusal changes nothing")
                }
                #expect(ledger.taken(.linux) <= ledger.total(.linux))
                for (id, reservation) in ledger.reservations {
                    let using = ledger.machines.values.count { $0.sandbox == id && $0.isReserved }
                    #expect(using <= reservation.count)
                }
                #expect(
                    ledger.machines.values.allSatisfy { !$0.isReserved || ledger.reservations[$0.sandbox] != nil })
            }
            for id in ledger.machines.keys { ledger.release(machine: id) }
            for id in ledger.reservations.keys { ledger.releaseReservation(ofSandbox: id) }
            #expect(ledger.taken(.linux) == 0)
        }
    }

    @Test("a place the host refuses though nobody has it is leaked, until the host grants it again")
    func leaks() {
        var ledger = SlotLedger(totals: [.macos: 2, .linux: 8])
        #expect(HostService.pools(ledger).map(\.leaked) == [0, 0] && HostService.health(ledger) == .ready)
        ledger.granted(.macos, running: 1)
        ledger.refused(.macos, running: 1)
        #expect(ledger.leaks == [.macos: 1])
        ledger.refused(.macos, running: 0)
        ledger.refused(.macos, running: 1)
        #expect(ledger.leaks == [.macos: 2], "another app has taken the other one")
        let health = HostService.health(ledger)
        #expect(!health.isReady && health.reason == "SlotsLeaked" && health.message.contains("2 of 2 macos machines"))
        #expect(HostService.pools(ledger).first { $0.guestOs == "macos" }?.leaked == 2)
        ledger.granted(.macos, running: 1)
        #expect(ledger.leaks == [.macos: 1])
        ledger.granted(.macos, running: 2)
        #expect(ledger.leaks.isEmpty && HostService.health(ledger) == .ready)
    }
}
