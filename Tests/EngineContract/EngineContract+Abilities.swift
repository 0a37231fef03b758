import Foundation
import Processes
import Testing
import VZEngine

extension EngineContract {
    static let abilityClauses = [
        Clause("a paused machine stands still, goes on, and can be switched off") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            let run = try await made.run()
            let machine = run.machine
            if try await works(.pause, subject, run, { try await machine.pause() }) {
                try await machine.pause()
                try await machine.resume()
                try await machine.resume()
                try await machine.pause()
            }
            #expect(machine.processes.allSatisfy { $0.isAlive })
            await machine.powerOff()
            #expect(await machine.waitForEnd() == .forced)
            try await expectNothing(of: run, made)
            if subject.cannot[.pause] == nil { #expect(await code { try await machine.pause() } != nil) }
        },
        Clause("what is saved goes on where it stood still") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: true)
            let run = try await made.run()
            let state = directory + "/state"
            try await run.booted()
            try await run.remember("forty-two")
            let machine = run.machine
            if subject.cannot[.pause] == nil {
                // A machine that runs has no state that could be kept.
                #expect(await code { try await machine.save(to: state) } != nil)
                #expect(!FileManager.default.fileExists(atPath: state))
                try await machine.pause()
            }
            let isSaved = try await works(.save, subject, run) { try await machine.save(to: state) }
            if isSaved {
                // What is there is not written over.
                #expect(await code { try await machine.save(to: state) } != nil)
                #expect(machine.processes.allSatisfy { $0.isAlive })
            }
            try await finish(run, made)
            guard isSaved else { return }
            var again = made
            again.config.restoreFrom = state
            let restored = try await again.run()
            #expect(try await restored.recall() == "forty-two")
            try await restored.perform(.powerOff)
            #expect(await restored.machine.waitForEnd() == .poweredOff)
            try await expectNothing(of: restored, again)
        },
        Clause("a state that is none is refused, and leaves nothing") { subject, directory in
            guard subject.cannot[.save] == nil else { return }
            var made = try await subject.make(in: directory, hasGuest: false)
            try await finish(try await made.run(), made)
            for (path, text) in [(directory + "/none", nil), (directory + "/bad", "no state")] {
                if let text { try text.write(toFile: path, atomically: false, encoding: .utf8) }
                made.config.restoreFrom = path
                let refused = made
                #expect(await code { _ = try await refused.run() } != nil, "\(path)")
                #expect(try await refused.leftovers == [], "\(path)")
            }
        },
        Clause("a guest is asked to make do with less memory, and with no more than there is") { subject, directory in
            var made = try await subject.make(in: directory, hasGuest: false)
            made.config.memoryBytes = max(made.config.memoryBytes, 512 << 20)
            let run = try await made.run()
            let (machine, all) = (run.machine, made.config.memoryBytes)
            if try await works(.setMemory, subject, run, { try await machine.setMemory(bytes: all / 2) }) {
                try await machine.setMemory(bytes: all)
                #expect(await code { try await machine.setMemory(bytes: all * 2) } == .invalidArgument)
                #expect(await code { try await machine.setMemory(bytes: 0) } == .invalidArgument)
            }
            try await finish(run, made)
        },
        Clause("a machine knows itself, or says nothing; it claims no more than it was given") { subject, directory in
            let made = try await subject.make(in: directory, hasGuest: false)
            let run = try await made.run()
            let statistics = try await run.machine.statistics()
            if let bytes = statistics.memoryBytes { #expect((1...made.config.memoryBytes).contains(bytes)) }
            let counts = [
                statistics.diskReadBytes, statistics.diskWrittenBytes, statistics.networkReceivedBytes,
                statistics.networkSentBytes, statistics.availableMemoryBytes,
            ]
            for count in counts.compactMap({ $0 }) { #expect(count >= 0) }
            try await finish(run, made)
        },
        Clause("a picture of the display is a PNG") { subject, directory in
            var made = try await subject.make(in: directory, hasGuest: false)
            if subject.cannot[.screenshot] == nil {
                made.config.display = .init(width: 640, height: 480, pixelsPerInch: 80)
            }
            let run = try await made.run()
            let (machine, picture) = (run.machine, directory + "/picture.png")
            if try await works(.screenshot, subject, run, { try await machine.screenshot(to: picture) }) {
                let data = try Data(contentsOf: URL(filePath: picture))
                #expect(data.starts(with: [0x89, 0x50, 0x4e, 0x47]))
            }
            try await finish(run, made)
        },
    ]
}
