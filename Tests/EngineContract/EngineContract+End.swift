import Processes
import Testing
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension EngineContract {
    static let endClauses = [
        Clause("a machine that is switched off has ended at once; again is nothing") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            let run = try await made.run()
            await run.machine.powerOff()
            #expect(await run.machine.waitForEnd() == .forced)
            await run.machine.powerOff()
            #expect(await run.machine.waitForEnd() == .forced)
            #expect(await code { try await run.machine.pressPowerButton() } != nil)
            try await expectNothing(of: run, made)
        },
        Clause("whoever waits for the end learns it, all of them") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            let run = try await made.run()
            await withTaskGroup(of: MachineEnd.self) { group in
                for _ in 0..<8 { group.addTask { await run.machine.waitForEnd() } }
                for _ in 0..<4 { Task { await run.machine.powerOff() } }
                for await end in group { #expect(end == .forced) }
            }
            try await expectNothing(of: run, made)
        },
        Clause("a machine whose process is killed has crashed") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            let run = try await made.run()
            kill(try #require(run.machine.processes.first).id, SIGKILL)
            guard case .crashed(let message) = await run.machine.waitForEnd() else {
                Issue.record("it has not crashed")
                return
            }
            #expect(!message.isEmpty)
            try await expectNothing(of: run, made)
        },
        Clause("a panic is told from other ends") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: true)
            let run = try await made.run()
            try await run.booted()
            guard subject.cannot[.panics] == nil else { return try await finish(run, made) }
            try await run.perform(.panic)
            let end = await run.machine.waitForEnd()
            guard case .panicked(let message) = end else {
                Issue.record("\(end)")
                return
            }
            #expect(message.contains("Kernel panic"))
            try await expectNothing(of: run, made)
        },
    ]
}
