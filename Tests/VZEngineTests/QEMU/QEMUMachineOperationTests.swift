import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

/// What a machine can beyond running, with real ones whose guest does nothing.
@Suite(
    "A QEMU machine, asked for more", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"),
    .timeLimit(.minutes(5)))
struct QEMUMachineOperationTests {
    /// Runs `body` with a machine, and ends that.
    private func with(
        _ directory: String, _ change: (inout MachineConfig) -> Void = { _ in },
        _ body: (any Machine, TestMachine) async throws -> Void
    ) async throws {
        var test = try TestMachine.idle(directory)
        change(&test.config)
        let running = try await test.start()
        do {
            try await body(running.machine, test)
        } catch {
            await running.machine.powerOff()
            throw error
        }
        await running.machine.powerOff()
        #expect(await running.machine.waitForEnd() == .forced)
        #expect(try test.leftovers.isEmpty)
    }

    @Test("stands still while it is paused, goes on when it is resumed; again is nothing")
    func pauses() async throws {
        try await withTemporaryDirectory { directory async throws in
            try await with(directory) { machine, _ in
                try await machine.pause()
                try await machine.pause()
                _ = try await machine.statistics()
                try await machine.resume()
                try await machine.resume()
                try await machine.pause()
            }
        }
    }

    @Test("knows its memory and its disks, and can be given less memory but not more than it began with")
    func memory() async throws {
        try await withTemporaryDirectory { directory async throws in
            try Data(count: 1 << 20).write(to: URL(filePath: directory + "/disk"))
            try await with(directory) {
                $0.memoryBytes = 128 << 20
                $0.disks = [.init(path: directory + "/disk", format: .raw)]
            } _: { machine, _ in
                let statistics = try await machine.statistics()
                #expect(statistics.memoryBytes == 128 << 20)
                #expect(statistics.diskReadBytes != nil && statistics.diskWrittenBytes == 0)
                #expect(statistics.availableMemoryBytes == nil, "this guest says nothing")
                #expect(statistics.networkSentBytes == nil, "user-mode networking counts nothing")
                try await machine.setMemory(bytes: 100 << 20)
                for wrong: Int64 in [0, 1 << 20, 129 << 20] {
                    await #expect { try await machine.setMemory(bytes: wrong) } throws: {
                        ($0 as? VZEngineError)?.code == .invalidArgument
                    }
                }
            }
        }
    }

    @Test("shows its display when it has one")
    func screenshot() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/screen.png"
            try await with(directory + "/1") {
                $0.display = .init(width: 800, height: 600, pixelsPerInch: 80)
            } _: { machine, _ in
                try await machine.screenshot(to: path)
                let bytes = try Data(contentsOf: URL(filePath: path))
                #expect(bytes.prefix(4) == Data([0x89, 0x50, 0x4e, 0x47]))
                let mode = try FileManager.default.attributesOfItem(atPath: path)[.posixPermissions] as? Int
                #expect(mode == 0o600)
                await #expect(throws: VZEngineError.self, "it is there already") { () async throws in
                    try await machine.screenshot(to: path)
                }
            }
            try await with(directory + "/2") { machine, _ in
                await #expect { try await machine.screenshot(to: directory + "/none.png") } throws: {
                    ($0 as? VZEngineError)?.code == .unsupported
                }
                #expect(!FileManager.default.fileExists(atPath: directory + "/none.png"))
            }
        }
    }

    @Test("is saved only while it is paused, into a new file that is its owner's, and goes on after it")
    func saves() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/state"
            try await with(directory) { machine, _ in
                await #expect(throws: VZEngineError.self) { () async throws in try await machine.save(to: path) }
                #expect(!FileManager.default.fileExists(atPath: path))
                try await machine.pause()
                try await machine.save(to: path)
                let attributes = try FileManager.default.attributesOfItem(atPath: path)
                #expect(attributes[.posixPermissions] as? Int == 0o600)
                #expect((attributes[.size] as? Int ?? 0) > 4096)
                await #expect(throws: VZEngineError.self, "it is there already") { () async throws in
                    try await machine.save(to: path)
                }
                await #expect(throws: VZEngineError.self, "it must have run in between") { () async throws in
                    try await machine.save(to: path + "2")
                }
                #expect(!FileManager.default.fileExists(atPath: path + "2"))
                try await machine.resume()
                try await machine.pause()
                try await machine.save(to: path + "2")
                try await machine.resume()
            }
            try await with(directory + "/again") {
                $0.restoreFrom = path
            } _: { machine, _ in
                try await machine.pause()
                try await machine.resume()
            }
            // A machine of another size is another machine.
            var other = try TestMachine.idle(directory + "/other")
            other.config.restoreFrom = path
            other.config.memoryBytes = 128 << 20
            let wrong = other
            let error = await #expect(throws: VZEngineError.self) { () async throws in _ = try await wrong.start() }
            #expect(error?.code == .startFailed)
            #expect(try wrong.leftovers.isEmpty)
        }
    }

    @Test("that shares directories cannot be saved, and says so")
    func sharesAreNotSaved() async throws {
        try await withTemporaryDirectory { directory async throws in
            try await with(directory) {
                $0.shares = [.init(tag: "a", source: directory, readOnly: true)]
            } _: { machine, _ in
                try await machine.pause()
                await #expect { try await machine.save(to: directory + "/state") } throws: {
                    ($0 as? VZEngineError)?.code == .unsupported
                }
                #expect(!FileManager.default.fileExists(atPath: directory + "/state"))
            }
        }
    }

    @Test("saved to a disk that is full says so, leaves no file, and goes on", .enabled(if: geteuid() == 0))
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory async throws in
            let small = directory + "/small"
            try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
            try await Command.checked("mount", ["-t", "tmpfs", "-o", "size=64k", "tmpfs", small])
            do {
                try await with(directory) { machine, _ in
                    try await machine.pause()
                    await #expect(throws: VZEngineError.self) { () async throws in
                        try await machine.save(to: small + "/state")
                    }
                    #expect(try FileManager.default.contentsOfDirectory(atPath: small).isEmpty)
                    try await machine.resume()
                }
            } catch {
                try await Command.checked("umount", [small])
                throw error
            }
            try await Command.checked("umount", [small])
        }
    }

    @Test("that hangs costs who asks a deadline")
    func hangs() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            let machine = try await test.start {
                $0.monitorInterval = .milliseconds(100)
                $0.monitorDeadline = .seconds(3)
            }
            kill(try #require(machine.machine.processes.first).id, SIGSTOP)
            await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await machine.machine.statistics()
            }
            _ = await machine.machine.waitForEnd()
        }
    }
}
