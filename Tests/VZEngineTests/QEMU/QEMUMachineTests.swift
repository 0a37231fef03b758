import Foundation
import Logging
import Processes
import Support
import Testing

@testable import VZEngine

/// Real machines whose guest does nothing: what happens around a machine.
@Suite("A QEMU machine", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"), .timeLimit(.minutes(5)))
struct QEMUMachineTests {
    private func expectGone(_ machine: RunningMachine, _ test: TestMachine) throws {
        for process in machine.machine.processes { #expect(!process.isAlive, "\(process)") }
        #expect(try test.leftovers.isEmpty)
    }

    @Test("that is switched off leaves nothing; again is nothing")
    func forced() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            let machine = try await test.start()
            #expect(machine.machine.processes.count == 1)
            #expect(machine.machine.processes.allSatisfy { $0.isAlive })
            await machine.machine.powerOff()
            #expect(await machine.machine.waitForEnd() == .forced)
            await machine.machine.powerOff()
            #expect(await machine.machine.waitForEnd() == .forced)
            await #expect(throws: VZEngineError.self) { () async throws in
                try await machine.machine.pressPowerButton()
            }
            try expectGone(machine, test)
        }
    }

    @Test("starts whether or not this host's KVM works")
    func automatic() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            for _ in 0..<2 {
                let machine = try await test.start {
                    $0.accelerator = nil
                    $0.probeFile = directory + "/kvm.json"
                }
                #expect(machine.machine.processes.allSatisfy { $0.isAlive })
                await machine.machine.powerOff()
                #expect(await machine.machine.waitForEnd() == .forced)
            }
        }
    }

    @Test("whose disk is kept is switched off by QEMU itself")
    func quits() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            test.config.keepsDisk = true
            let machine = try await test.start()
            await machine.machine.powerOff()
            #expect(await machine.machine.waitForEnd() == .forced)
            try expectGone(machine, test)
        }
    }

    @Test("that is killed has crashed", arguments: [SIGKILL, SIGTERM, SIGSEGV])
    func killed(_ signal: Int32) async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            let machine = try await test.start()
            kill(try #require(machine.machine.processes.first).id, signal)
            guard case .crashed = await machine.machine.waitForEnd() else {
                Issue.record("signal \(signal) is a crash")
                return
            }
            try expectGone(machine, test)
        }
    }

    @Test("that hangs is found, and has crashed")
    func hangs() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            let machine = try await test.start {
                $0.monitorInterval = .milliseconds(100)
                $0.monitorDeadline = .seconds(2)
            }
            kill(try #require(machine.machine.processes.first).id, SIGSTOP)
            guard case .crashed(let message) = await machine.machine.waitForEnd() else {
                Issue.record("a machine that hangs has crashed")
                return
            }
            #expect(message.contains("monitor"))
            try expectGone(machine, test)
        }
    }

    @Test("whose port is taken does not start, and says which", arguments: [false, true])
    func portInUse(_ isAny: Bool) async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            let socket = Descriptor(socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0))
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_addr.s_addr = isAny ? 0 : UInt32(0x7f00_0001).bigEndian
            var length = socklen_t(MemoryLayout<sockaddr_in>.size)
            let code = withUnsafeMutablePointer(to: &address) {
                $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                    bind(socket.number, $0, length) == 0 && listen(socket.number, 1) == 0
                        ? getsockname(socket.number, $0, &length) : -1
                }
            }
            try #require(code == 0)
            let port = Int(UInt16(bigEndian: address.sin_port))
            test.config.network.guestPorts = [.init(.tcp, try FreePort.find()), .init(.tcp, port)]
            let taken = test
            let error = await #expect(throws: VZEngineError.self) { () async throws in _ = try await taken.start() }
            #expect(error?.code == .portInUse)
            #expect(error?.message.contains("\(port)") == true)
            #expect(try test.leftovers.isEmpty)
        }
    }

    @Test("whose kernel is not there, or whose disk is no disk, does not start, and QEMU's words say why")
    func badParts() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            test.config.boot = .kernel(path: directory + "/none", initrd: nil, commandLine: "")
            test.config.shares = [.init(tag: "a", source: directory, readOnly: true)]
            let noKernel = test
            var error = await #expect(throws: VZEngineError.self) { () async throws in _ = try await noKernel.start() }
            #expect(error?.code == .startFailed)
            #expect(error?.message.contains("/none") == true, "\(String(describing: error))")
            #expect(try test.leftovers.isEmpty)
            test = try TestMachine.idle(directory + "/2")
            try Data(count: 4096).write(to: URL(filePath: directory + "/disk"))
            test.config.disks = [.init(path: directory + "/disk", format: .qcow2)]
            let noDisk = test
            error = await #expect(throws: VZEngineError.self) { () async throws in _ = try await noDisk.start() }
            #expect(error?.code == .startFailed)
            #expect(error?.message.contains("qcow2") == true, "\(String(describing: error))")
        }
    }

    @Test("whose emulator or firmware is not installed does not start, and says what to install")
    func notInstalled() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try TestMachine.idle(directory)
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await test.start { $0.emulator = directory + "/qemu" }
            }
            #expect(error?.code == .startFailed)
            #expect(error.map { "\($0)".contains(directory + "/qemu") } == true)
        }
    }

    @Test("whose start is cancelled, or takes too long, leaves nothing")
    func cancelled() async throws {
        try await withTemporaryDirectory { directory async throws in
            let emulator = directory + "/emulator"
            try Data(
                "#!/bin/sh\necho $$ >\(directory)/pid.new; mv \(directory)/pid.new \(directory)/pid\nexec sleep 1000\n"
                    .utf8
            )
            .write(to: URL(filePath: emulator))
            try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: emulator)
            var test = try TestMachine.idle(directory)
            test.config.shares = [.init(tag: "a", source: directory, readOnly: false)]
            let silent = test
            func pid() throws -> Int32 {
                let text = try String(contentsOfFile: directory + "/pid", encoding: .utf8)
                return try #require(Int32(text.trimmingCharacters(in: .whitespacesAndNewlines)))
            }
            let start = Task { try await silent.start { $0.emulator = emulator } }
            try await eventually("the emulator is started") {
                FileManager.default.fileExists(atPath: directory + "/pid")
            }
            start.cancel()
            await #expect(throws: CancellationError.self) { () async throws in _ = try await start.value }
            #expect(ProcessIdentity.of(try pid()) == nil)
            #expect(try test.leftovers.isEmpty)

            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await silent.start {
                    $0.emulator = emulator
                    $0.startDeadline = .milliseconds(300)
                }
            }
            #expect(error?.code == .startFailed)
            #expect(ProcessIdentity.of(try pid()) == nil)
            #expect(try test.leftovers.isEmpty)
        }
    }

    @Test("without the server of a directory it shares has crashed")
    func shareServerKilled() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            let shared = directory + "/sh, are"
            try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
            test.config.shares = [
                .init(tag: "a", source: shared, readOnly: false), .init(tag: "b", source: shared, readOnly: true),
            ]
            let machine = try await test.start()
            #expect(machine.machine.processes.count == 3)
            #expect(machine.machine.processes.allSatisfy { $0.isAlive })
            kill(machine.machine.processes[1].id, SIGKILL)
            guard case .crashed(let message) = await machine.machine.waitForEnd() else {
                Issue.record("a machine without its directories has crashed")
                return
            }
            #expect(message.contains(shared))
            try expectGone(machine, test)
        }
    }

    @Test("is in its pod's control group, which is gone after it", .enabled(if: geteuid() == 0 && LinuxGuest.canRun))
    func cgroup() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            let parent = "/vzcri-test-\(UInt32.random(in: 0...UInt32.max))"
            test.config.cgroupParent = parent
            let machine = try await test.start()
            let id = try #require(machine.machine.processes.first).id
            let groups = try String(contentsOfFile: "/proc/\(id)/cgroup", encoding: .utf8)
            #expect(groups.contains("\(parent)/vzcri-\(test.config.id.prefix(16))"), "\(groups)")
            await machine.machine.powerOff()
            _ = await machine.machine.waitForEnd()
            let left = try await Command.checked(
                "find", ["/sys/fs/cgroup", "-maxdepth", "3", "-name", String(parent.dropFirst())]
            ).text
            #expect(left.isEmpty, "\(left)")
        }
    }

    @Test(
        "starts its disk by firmware, which keeps its variables",
        .enabled(if: hasFirmware, "skipped, because there is no UEFI firmware"))
    func firmware() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try TestMachine.idle(directory)
            test.config.boot = .efi(variables: nil)
            test.config.memoryBytes = 256 << 20
            try Data(count: 1 << 20).write(to: URL(filePath: directory + "/disk"))
            test.config.disks = [.init(path: directory + "/disk", format: .raw)]
            let machine = try await test.start { $0.firmwareDirectories = Self.firmwareDirectories }
            try await eventually("the firmware speaks", within: .seconds(120)) { machine.console.contains("BdsDxe") }
            await machine.machine.powerOff()
            _ = await machine.machine.waitForEnd()
            #expect(FileManager.default.fileExists(atPath: test.bundle.directory + "/efi-variables"))
        }
    }

    /// Firmware that is not installed may be named.
    private static let firmwareDirectories = ProcessInfo.processInfo.environment["VZCRI_FIRMWARE"].map { [$0] } ?? []
    private static let hasFirmware: Bool = {
        do {
            _ = try QEMUFirmware.find(in: firmwareDirectories)
            return LinuxGuest.canRun
        } catch {
            return false
        }
    }()
}
