import Foundation
import HostFiles
import Processes
import Proto
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

/// What a shim finds of its predecessor's machines.
@Suite struct VMAdoptionTests {
    @Test func `a machine that runs goes on, and its end arrives at the next shim`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            try await first.start(id)
            let before = try first.container(id)
            let second = try await first.restarted(sandboxes: [sandbox])
            let after = try second.container(id)
            #expect(after.phase == .running)
            #expect(after.startedAt == before.startedAt)
            #expect(after.createdAt == before.createdAt)
            #expect(after.record == before.record)
            #expect(second.slots.snapshot.taken(.linux) == 1)
            #expect(try second.store.sandbox(sandbox.id).machines == [id])
            try await second.supervisor(id).end(code: 7)
            #expect(try await second.ended(id).exitCode == 7)
            #expect(second.slots.snapshot.taken(.linux) == 0)
            try await second.remove(id)
            #expect(second.bundles.isEmpty && second.runDirectories.isEmpty)
            await second.runtime.shutDown()
        }
    }

    /// Images whose disks are served; nobody can be held again.
    private final class ServedImages: MachineImages {
        private let fake = FakeImages()
        private let state = Mutex<Set<String>>([])

        var held: Set<String> { state.withLock { $0 } }

        func machineImage(_ reference: String, annotations: [String: String]) async throws -> MachineImage? {
            try await fake.machineImage(reference, annotations: annotations)
        }
        func clone(_ disk: MachineConfig.Disk, to path: String, size: Int64?) async throws -> MachineConfig.Disk {
            try await fake.clone(disk, to: path, size: size)
        }
        func machineRemoved() async {}
        func prepare(_ machine: MachineConfig, waits: Bool) async throws {
            _ = state.withLock { $0.insert(machine.id) }
            if !waits { throw ShimError(.failed, "there is no room") }
        }
        func ended(_ machine: MachineConfig) async { _ = state.withLock { $0.remove(machine.id) } }
    }

    @Test func `a disk that is kept is served again, and who cannot see to that serves all the same`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let kept = try await first.create(in: sandbox, name: "kept") {
                $0.annotations = [MachineOptions.keepDisk: "true"]
            }
            let other = try await first.create(in: sandbox, name: "other")
            for id in [kept, other] { try await first.start(id) }
            await first.runtime.shutDown()
            for id in [kept, other] { try await first.supervisor(id).end(code: 0) }
            let images = ServedImages()
            let second = VMBench(
                directory: first.directory, slots: 4, supervisors: first.supervisors, images: images)
            try second.store.put(sandbox)
            try await second.runtime.adopt()
            #expect(images.held == [kept])
            try await second.remove(kept)
            #expect(images.held.isEmpty)
            await second.runtime.shutDown()
        }
    }

    @Test func `what ended meanwhile is shown with its own end`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let done = try await first.create(in: sandbox, name: "done")
            let lost = try await first.create(in: sandbox, name: "lost")
            let never = try await first.create(in: sandbox, name: "never")
            for id in [done, lost] { try await first.start(id) }
            await first.runtime.shutDown()
            try await first.supervisor(done).end(code: 42)
            try await first.supervisor(lost).crash()
            let second = try await first.restarted(sandboxes: [sandbox])
            #expect(try second.container(done).exitCode == 42)
            let gone = try second.container(lost)
            #expect(gone.phase == .exited && gone.exitCode == 255 && gone.reason == "SupervisorLost")
            #expect(try second.container(never).phase == .created)
            #expect(second.slots.snapshot.taken(.linux) == 1)
            // Said once, said for ever.
            let third = try await second.restarted(sandboxes: [sandbox])
            #expect(try third.container(lost).finishedAt == gone.finishedAt)
            try await third.start(never)
            try await third.stop(never, 0)
            #expect(try third.container(never).exitCode == 137)
            await third.runtime.shutDown()
        }
    }

    @Test func `after a restart of the host nothing of before lives`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            try await first.start(id)
            await first.runtime.shutDown()
            try await first.supervisor(id).crash()
            let bundle = MachineBundle(id: id, root: first.directory + "/r", state: first.directory + "/s")
            let old = ProcessIdentity(id: 1, startTime: 1, bootID: "another boot")
            try bundle.write(MachineLaunch(bootID: "another boot", supervisor: old), to: bundle.launch)
            try bundle.write(old, to: bundle.supervisor)
            let second = try await first.restarted(sandboxes: [sandbox])
            let ended = try second.container(id)
            #expect(ended.exitCode == 255)
            #expect(ended.reason == "HostRestarted")
            await second.runtime.shutDown()
        }
    }

    @Test func `a process that outlived its supervisor is ended before the slot is free`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            try await first.start(id)
            await first.runtime.shutDown()
            try await first.supervisor(id).crash()
            let stray = try await ChildProcess.start(ProcessRequest("sleep", ["100000"]))
            let bundle = MachineBundle(id: id, root: first.directory + "/r", state: first.directory + "/s")
            var launch = try #require(try bundle.read(MachineLaunch.self, schema: 1, at: bundle.launch))
            launch.processes = [try #require(stray.identity)]
            try bundle.write(launch, to: bundle.launch)
            let second = try await first.restarted(sandboxes: [sandbox])
            #expect(await stray.waitForEnd() == .signalled(9))
            #expect(try second.container(id).phase == .exited)
            #expect(second.slots.snapshot.taken(.linux) == 0)
            await second.runtime.shutDown()
        }
    }

    @Test func `half-made machines and those of unknown sandboxes are removed`() async throws {
        try await VMBench.with { first in
            let kept = try first.sandbox()
            let gone = try first.sandbox()
            let id = try await first.create(in: kept)
            let orphan = try await first.create(in: gone)
            try await first.start(orphan)
            try RootDirectory.makeDirectory(first.directory + "/r/machines/.half", mode: 0o700)
            try RootDirectory.makeDirectory(first.directory + "/r/machines/" + Identifiers.hex(64), mode: 0o700)
            try RootDirectory.makeDirectory(first.directory + "/s/m/stale", mode: 0o700)
            let second = try await first.restarted(sandboxes: [kept])
            #expect(second.bundles == [id])
            #expect(second.runDirectories.isEmpty)
            #expect(try second.store.containerIfPresent(orphan) == nil)
            #expect(second.slots.snapshot.taken(.linux) == 1)
            await second.runtime.shutDown()
        }
    }

    @Test func `a record of a newer program stops the start instead of being taken for a leftover`() async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            let place = first.directory + "/r/machines/\(id)/config.json"
            try AtomicFile.write(Array(#"{"schema":99}"#.utf8), to: place, mode: 0o600)
            let error = await #expect(throws: ShimError.self) { _ = try await first.restarted(sandboxes: [sandbox]) }
            #expect(error?.code == .newerRecord)
            #expect(first.bundles == [id])
        }
    }

    @Test(arguments: ["config.json", "container.json"])
    func `a machine that lost a record is named and kept with all it has, instead of being taken for a leftover`(
        lost: String
    ) async throws {
        try await VMBench.with { first in
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            try await first.start(id)
            let bundle = first.directory + "/r/machines/\(id)"
            try FileManager.default.removeItem(atPath: "\(bundle)/\(lost)")
            let before = try RootDirectory.entries(of: bundle).sorted()
            let error = await #expect(throws: ShimError.self) { _ = try await first.restarted(sandboxes: [sandbox]) }
            #expect(error?.code == .corruptRecord)
            #expect(error?.message.contains("\(bundle)/\(lost)") == true)
            #expect(try RootDirectory.entries(of: bundle).sorted() == before)
            #expect(first.runDirectories.count == 1)
        }
    }

    @Test func `a machine that was starting when the shim died runs for the next one`() async throws {
        try await VMBench.with { first in
            first.supervisors.behaviour.withLock { $0.waits = true }
            let sandbox = try first.sandbox()
            let id = try await first.create(in: sandbox)
            let starting = Task { try await first.start(id) }
            try await eventually("the supervisor is there") { first.supervisors[id] != nil }
            let second = try await first.restarted(sandboxes: [sandbox])
            starting.cancel()
            #expect(try second.container(id).phase == .created)
            async let started: Void = second.start(id)
            try second.supervisor(id).beRunning()
            try await started
            #expect(try second.container(id).phase == .running)
            #expect(second.supervisors.launches.withLock { $0.count } == 1)
            await second.runtime.shutDown()
        }
    }
}
