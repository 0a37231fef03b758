import Support
import Testing
import VZEngine

@testable import CRIShim

/// Random interleavings of everything that can happen to machines.
@Suite struct VMSlotPropertyTests {
    private enum Step: CaseIterable { case create, start, stop, remove, crash, end, restart }

    @Test func `slots are neither lost nor doubled, whatever happens to machines in whatever order`() async throws {
        var random = Faults.random("machine slots")
        for _ in 0..<Faults.rounds {
            let total = Int.random(in: 1...3, using: &random)
            var steps: [(Step, Int)] = []
            for _ in 0..<24 {
                steps.append((Step.allCases.randomElement(using: &random)!, Int.random(in: 0..<8, using: &random)))
            }
            try await run(steps, slots: total, lanes: Int.random(in: 1...4, using: &random))
        }
    }

    /// Several steps at a time; a restart waits for those before it.
    private func run(_ steps: [(Step, Int)], slots: Int, lanes: Int) async throws {
        try await VMBench.with(slots: slots) { first in
            var bench = first
            let sandboxes = [try first.sandbox(), try first.sandbox()]
            var index = 0
            while index < steps.count {
                if steps[index].0 == .restart {
                    bench = try await bench.restarted(sandboxes: sandboxes)
                    index += 1
                } else {
                    let batch = steps[index..<min(index + lanes, steps.count)].prefix { $0.0 != .restart }
                    let current = bench
                    await withTaskGroup(of: Void.self) { group in
                        for (step, number) in batch {
                            group.addTask { await Self.perform(step, number, sandboxes[number % 2], current) }
                        }
                    }
                    index += batch.count
                }
                try await check(bench)
            }
            for container in bench.store.containers(matching: nil) { try await bench.remove(container.id) }
            #expect(bench.slots.snapshot.taken(.linux) == 0)
            #expect(bench.bundles.isEmpty && bench.runDirectories.isEmpty)
            #expect(sandboxes.allSatisfy { (try? bench.store.sandbox($0.id).machines.isEmpty) == true })
            await bench.runtime.shutDown()
        }
    }

    private static func perform(_ step: Step, _ number: Int, _ sandbox: SandboxEntry, _ bench: VMBench) async {
        let all = bench.store.containers(matching: nil)
        let chosen = all.isEmpty ? nil : all[number % all.count].id
        do {
            switch (step, chosen) {
            case (.create, _): _ = try await bench.create(in: sandbox, name: "c\(Identifiers.hex(6))")
            case (.start, let id?): try await bench.start(id)
            case (.stop, let id?): try await bench.stop(id, Int64(number % 2))
            case (.remove, let id?): try await bench.remove(id)
            case (.crash, let id?): await bench.supervisors[id]?.crash()
            case (.end, let id?): await bench.supervisors[id]?.end(code: Int32(number))
            default: break
            }
        } catch {
            // Refused: no slot, gone already, ended while it started. What counts is what remains.
        }
    }

    /// Once everything has settled, exactly the machines that can still run hold a slot.
    private func check(_ bench: VMBench) async throws {
        try await eventually("the slots are those of the machines that live") {
            let alive = bench.store.containers(matching: nil).filter { $0.phase != .exited }.map(\.id)
            return Set(alive) == Set(bench.slots.snapshot.machines.keys)
        }
        #expect(bench.slots.snapshot.taken(.linux) <= bench.slots.snapshot.total(.linux))
    }
}
