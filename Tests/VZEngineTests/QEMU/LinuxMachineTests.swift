import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

/// Real machines with a real guest.
@Suite(
    "A Linux guest", .enabled(if: LinuxGuest.canRun, "skipped, because there is no QEMU"), .serialized,
    .timeLimit(.minutes(10)))
struct LinuxMachineTests {
    @Test("boots, keeps its disk through a restart, serves its ports, and switches itself off when asked")
    func life() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try await TestMachine.guest(directory)
            let port = try FreePort.find()
            test.config.network.guestPorts = [.init(.tcp, port)]
            let machine = try await test.start()
            #expect(try await machine.ssh("uname -s; cat /sys/class/dmi/id/product_uuid").hasPrefix("Linux\n"))
            #expect(machine.console.contains(LinuxGuest.readyLine))
            try await machine.ssh(
                "echo kept >/data/file; echo lost >/tmp/file; sync; cut -d' ' -f1 /proc/uptime >/data/up")

            let served = "mkdir -p /tmp/www; echo hello >/tmp/www/index.html; httpd -p \(port) -h /tmp/www"
            try await machine.ssh(served)
            let answer = try await Command.checked("curl", ["-s", "-m", "30", "http://127.0.0.1:\(port)/"])
            #expect(answer.text == "hello\n")

            try await machine.reboot()
            let after = try await machine.ssh("cat /data/file; ls /tmp/file 2>&1; hostname")
            #expect(after.contains("kept\n"))
            #expect(!after.contains("/tmp/file\n"))
            #expect(machine.machine.processes.allSatisfy { $0.isAlive })

            try await machine.machine.pressPowerButton()
            #expect(await machine.machine.waitForEnd() == .poweredOff)
            #expect(machine.machine.processes.allSatisfy { !$0.isAlive })
            #expect(await machine.wholeConsole().contains("Power down"))
            #expect(try test.leftovers.isEmpty)
        }
    }

    @Test("shares directories with its host both ways; one that is read-only stays so, whatever its root mounts")
    func shares() async throws {
        try await withTemporaryDirectory { directory async throws in
            var test = try await TestMachine.guest(directory)
            let (open, closed) = (directory + "/open", directory + "/closed dir")
            for path in [open, closed] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
                try Data("from the host".utf8).write(to: URL(filePath: path + "/host"))
            }
            test.config.shares = [
                .init(tag: "open", source: open, readOnly: false), .init(tag: "closed", source: closed, readOnly: true),
            ]
            let machine = try await test.start()
            let text = try await machine.ssh(
                """
                mkdir -p /mnt/o /mnt/c && mount -t virtiofs open /mnt/o && mount -t virtiofs closed /mnt/c || exit 9
                cat /mnt/o/host /mnt/c/host; printf 'from the guest' >/mnt/o/guest
                touch /mnt/c/new 2>/dev/null && echo created; rm /mnt/c/host 2>/dev/null && echo removed; true
                """)
            #expect(text == "from the hostfrom the host")
            #expect(try String(contentsOfFile: open + "/guest", encoding: .utf8) == "from the guest")
            #expect(try FileManager.default.contentsOfDirectory(atPath: closed) == ["host"])
            // A restart of the guest finds them again.
            try await machine.reboot()
            #expect(try await machine.ssh("mount -t virtiofs open /mnt && cat /mnt/guest") == "from the guest")
            await machine.machine.powerOff()
            #expect(await machine.machine.waitForEnd() == .forced)
            #expect(machine.machine.processes.allSatisfy { !$0.isAlive })
            #expect(try test.leftovers.isEmpty)
        }
    }

    @Test(
        "that panics is told apart, with or without a device to say so",
        arguments: ["", "rmmod pvpanic_pci pvpanic_mmio;"])
    func panics(_ before: String) async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try await TestMachine.guest(directory)
            let machine = try await test.start()
            try await machine.ssh("true")
            try await machine.sshLater(before + " echo c >/proc/sysrq-trigger")
            let end = await machine.machine.waitForEnd()
            guard case .panicked(let message) = end else {
                Issue.record("\(end)")
                return
            }
            #expect(message == "Kernel panic - not syncing: sysrq triggered crash")
            #expect(try test.leftovers.isEmpty)
        }
    }

    @Test("whose command ends by itself leaves by poweroff")
    func powersOff() async throws {
        try await withTemporaryDirectory { directory async throws in
            let test = try await TestMachine.guest(directory, .openssh)
            let machine = try await test.start()
            #expect(try await machine.ssh("test -x /usr/sbin/sshd && echo openssh") == "openssh\n")
            try await machine.sshLater("poweroff -f")
            #expect(await machine.machine.waitForEnd() == .poweredOff)
        }
    }
}
