import Processes
import Support
import Testing
import VZEngine

extension EngineContract {
    static let lifeClauses = [
        Clause("a guest boots, speaks on its console, and ends its machine by switching itself off") {
            subject, directory in
            let made = try await subject.make(in: directory, hasGuest: true)
            let run = try await made.run()
            #expect(!run.machine.processes.isEmpty)
            #expect(run.machine.processes.allSatisfy { $0.isAlive })
            try await run.booted()
            try await run.perform(.powerOff)
            #expect(await run.machine.waitForEnd() == .poweredOff)
            #expect(await run.wholeConsole().contains(run.greeting))
            for await _ in run.machine.changes {}
            try await expectNothing(of: run, made)
            // Who asks later learns the same.
            #expect(await run.machine.waitForEnd() == .poweredOff)
            await run.machine.powerOff()
            #expect(await run.machine.waitForEnd() == .poweredOff)
        },
        Clause("the power button asks the guest") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: true)
            let run = try await made.run()
            try await run.booted()
            try await run.machine.pressPowerButton()
            if subject.cannot[.heedsPowerButton] == nil {
                #expect(await run.machine.waitForEnd() == .poweredOff)
            } else {
                #expect(run.machine.processes.allSatisfy { $0.isAlive })
            }
            try await finish(run, made)
        },
        Clause("a restart of the guest is no end") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: true)
            let run = try await made.run()
            try await run.booted()
            try await run.perform(.restart)
            if subject.cannot[.noticesRestart] == nil {
                var changes = run.machine.changes.makeAsyncIterator()
                #expect(await changes.next() == .restarted)
            }
            try await run.booted()
            #expect(run.machine.processes.allSatisfy { $0.isAlive })
            try await run.perform(.powerOff)
            #expect(await run.machine.waitForEnd() == .poweredOff)
            try await expectNothing(of: run, made)
        },
        Clause("a machine runs again with the disk and the files it had") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            for _ in 0..<2 { try await finish(try await made.run(), made) }
        },
        Clause("what can never start is refused, and leaves nothing") { subject, directory in
            let good = try await subject.make(in: directory, hasGuest: false)
            func refuses(_ what: Comment, _ change: (inout MachineConfig) -> Void) async throws {
                var made = good
                change(&made.config)
                let refused = made
                let error = await #expect(throws: VZEngineError.self, what) { () async throws in
                    _ = try await refused.run()
                }
                #expect([.invalidArgument, .startFailed].contains(error?.code), "\(what): \(error as Any)")
                #expect(try await refused.leftovers == [], what)
            }
            try await refuses("no processor") { $0.cpus = 0 }
            try await refuses("no memory") { $0.memoryBytes = 0 }
            try await refuses("no such disk") { $0.disks = [.init(path: directory + "/none", format: .raw)] }
            try await refuses("no such directory") {
                $0.shares = [.init(tag: "a", source: directory + "/none", readOnly: false)]
            }
            try await refuses("a name twice") {
                $0.shares = Array(repeating: .init(tag: "a", source: directory, readOnly: false), count: 2)
            }
            try await refuses("a name too long") {
                $0.shares = [.init(tag: String(repeating: "a", count: 40), source: directory, readOnly: false)]
            }
            try await refuses("no hardware address") { $0.network.macAddress = "52:54:00" }
            try await refuses("a bridge without a name") { $0.network.mode = .bridged }
            try await finish(try await good.run(), good)
        },
        Clause("a start that is cancelled leaves nothing, whenever that is") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            var random = Faults.random("a start that is cancelled")
            for round in 0..<Faults.rounds {
                let pause = Duration.microseconds(round == 0 ? 0 : Int.random(in: 0..<30_000, using: &random))
                let start = Task { try await made.run() }
                try await Task.sleep(for: pause)
                start.cancel()
                switch await start.result {
                // It was faster.
                case .success(let run): try await finish(run, made)
                case .failure(let error):
                    #expect(error is CancellationError || error is VZEngineError, "\(error)")
                    #expect(try await made.leftovers == [], "cancelled after \(pause)")
                }
            }
            try await finish(try await made.run(), made)
        },
    ]
}
