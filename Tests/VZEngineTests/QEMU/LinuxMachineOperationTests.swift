import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

/// What a machine can beyond running, with a real guest.
@Suite(
    "A Linux guest, asked for more", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"), .serialized,
    .timeLimit(.minutes(10)))
struct LinuxMachineOperationTests {
    /// Counts on in memory, whoever watches.
    private static let counting =
        "setsid sh -c 'i=0; while true; do i=$((i+1)); echo $i >/tmp/next && mv /tmp/next /tmp/count; usleep 50000; done' >/dev/null 2>&1 </dev/null &"

    private func count(_ machine: RunningMachine) async throws -> Int {
        let text = try await machine.ssh("cat /tmp/count || true")
        return Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) ?? 0
    }

    @Test("that is saved and made again goes on where it was, with its memory and its disk")
    func restored() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try await TestMachine.guest(directory + "/1")
            let first = try await test.start()
            try await first.ssh(Self.counting)
            try await first.ssh("echo kept >/data/file")
            try await eventually("it counts", within: .seconds(60)) { try await count(first) > 3 }
            try await first.machine.pause()
            let state = directory + "/state"
            try await first.machine.save(to: state)
            // Its disk as it is now.
            let disk = directory + "/disk"
            try FileManager.default.copyItem(atPath: test.config.disks[0].path, toPath: disk)
            try await first.machine.resume()
            let then = try await count(first)
            try await eventually("it goes on after it was saved", within: .seconds(60)) {
                try await count(first) > then
            }
            await first.machine.powerOff()
            _ = await first.machine.waitForEnd()

            var again = try await TestMachine.guest(directory + "/2")
            again.config.restoreFrom = state
            again.config.disks = [.init(path: disk, format: test.config.disks[0].format)]
            let second = try await again.start()
            let counted = try await count(second)
            #expect(counted > 3, "it did not boot")
            try await eventually("it goes on counting", within: .seconds(60)) { try await count(second) > counted }
            #expect(try await second.ssh("cat /data/file") == "kept\n")
            await second.machine.powerOff()
            _ = await second.machine.waitForEnd()
        }
    }

    @Test("gives memory back when it is asked to, and tells what it could give its programs")
    func memory() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try await TestMachine.guest(directory)
            let machine = try await test.start()
            try await machine.ssh("true")
            try await machine.machine.setMemory(bytes: 160 << 20)
            try await eventually("the guest has less", within: .seconds(60)) {
                try await machine.machine.statistics().memoryBytes == 160 << 20
            }
            try await eventually("it says what is available", within: .seconds(60)) {
                guard let bytes = try await machine.machine.statistics().availableMemoryBytes else { return false }
                return bytes > 0 && bytes < 160 << 20
            }
            try await machine.machine.setMemory(bytes: 256 << 20)
            try await eventually("the guest has it again", within: .seconds(60)) {
                try await machine.machine.statistics().memoryBytes == 256 << 20
            }
            await machine.machine.powerOff()
            _ = await machine.machine.waitForEnd()
        }
    }

    @Test(
        "waits while the host's disk is full, and goes on when there is room",
        .enabled(if: geteuid() == 0, "skipped, because a small file system needs root"))
    func fullDisk() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try await TestMachine.guest(directory)
            let small = directory + "/small"
            try FileManager.default.createDirectory(atPath: small, withIntermediateDirectories: true)
            try await Command.checked("mount", ["-t", "tmpfs", "-o", "size=24m", "tmpfs", small])
            // Sparse: what it is given is more than there is room for.
            let guest = try await LinuxGuest.made()
            do {
                test.config.disks = [try await DiskClone.make(of: guest.disk, format: .raw, at: small + "/disk").disk]
                let machine = try await test.start { $0.stallInterval = .milliseconds(500) }
                try await fill(small, under: machine)
                await machine.machine.powerOff()
                _ = await machine.machine.waitForEnd()
            } catch {
                try await Command.checked("umount", ["-l", small])
                throw error
            }
            try await Command.checked("umount", [small])
        }
    }

    private func fill(_ small: String, under machine: RunningMachine) async throws {
        try await machine.ssh("true")
        let filler = small + "/filler"
        try Data(count: 16 << 20).write(to: URL(filePath: filler))
        try await machine.ssh(
            "(dd if=/dev/urandom of=/data/big bs=1M count=16; sync; touch /tmp/done) >/dev/null 2>&1 </dev/null &")
        var changes = machine.machine.changes.makeAsyncIterator()
        guard case .stalled(let reason) = await changes.next() else {
            Issue.record("it is not stalled")
            return
        }
        #expect(reason.contains("full"), "\(reason)")
        // Held, it is not revived.
        try await machine.machine.pause()
        try FileManager.default.removeItem(atPath: filler)
        try await Task.sleep(for: .seconds(2))
        try await machine.machine.resume()
        #expect(await changes.next() == .resumed)
        let size = try await machine.ssh("while [ ! -e /tmp/done ]; do usleep 100000; done; stat -c %s /data/big")
        #expect(size == "16777216\n")
    }
}
