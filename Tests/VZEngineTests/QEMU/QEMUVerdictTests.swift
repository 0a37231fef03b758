import NIOCore
import Processes
import Testing

@testable import VZEngine

@Suite("How a QEMU machine ended")
struct QEMUVerdictTests {
    private func shutdown(_ reason: String) -> QMPEvent { QMPEvent(name: .shutdown, reason: reason) }

    @Test("a guest that switched itself off")
    func poweredOff() {
        var verdict = QEMUVerdict()
        #expect(verdict.monitorSaid(shutdown("guest-shutdown")) == .nothing)
        #expect(verdict.end(.exited(code: 0), errors: "") == .poweredOff)
    }

    @Test("a machine that was told to end; also when it was just ending by itself")
    func forced() {
        var verdict = QEMUVerdict()
        verdict.powerOffRequested()
        #expect(verdict.end(.signalled(9), errors: "") == .forced)
        verdict = QEMUVerdict()
        _ = verdict.monitorSaid(shutdown("host-qmp-quit"))
        #expect(verdict.end(.exited(code: 0), errors: "") == .forced)
        verdict = QEMUVerdict()
        _ = verdict.monitorSaid(shutdown("guest-shutdown"))
        verdict.powerOffRequested()
        #expect(verdict.end(.signalled(9), errors: "") == .poweredOff)
    }

    @Test("a panic that the guest's device tells, with the console's words")
    func panicByDevice() {
        var verdict = QEMUVerdict()
        verdict.consolePanicked("Kernel panic - not syncing: x")
        #expect(verdict.monitorSaid(QMPEvent(name: .guestPanicked)) == .nothing)
        #expect(verdict.monitorSaid(shutdown("guest-panic")) == .nothing)
        #expect(verdict.end(.exited(code: 0), errors: "") == .panicked(message: "Kernel panic - not syncing: x"))
        verdict = QEMUVerdict()
        _ = verdict.monitorSaid(shutdown("guest-panic"))
        #expect(verdict.end(.exited(code: 0), errors: "") == .panicked(message: "the guest's kernel panicked"))
    }

    @Test("a panic that only the console tells ends with the restart, or a while later")
    func panicByConsole() {
        var verdict = QEMUVerdict()
        verdict.consolePanicked("Kernel panic - not syncing: x")
        #expect(verdict.monitorSaid(QMPEvent(name: .reset)) == .kill)
        #expect(verdict.end(.signalled(9), errors: "") == .panicked(message: "Kernel panic - not syncing: x"))
        verdict = QEMUVerdict()
        #expect(verdict.outlivedPanic() == .nothing)
        verdict.consolePanicked("Kernel panic - not syncing: y")
        #expect(verdict.outlivedPanic() == .kill)
    }

    @Test("a panic that is kept: standing still is no accident, and powering off is how it is let go")
    func keptPanic() {
        var verdict = QEMUVerdict()
        verdict.consolePanicked("Kernel panic - not syncing: z")
        verdict.keepPanicked()
        #expect(verdict.monitorSaid(QMPEvent(name: .stop)) == .nothing)
        verdict.powerOffRequested()
        #expect(verdict.end(.signalled(9), errors: "") == .panicked(message: "Kernel panic - not syncing: z"))
    }

    @Test("a restart of the guest is no end")
    func reset() {
        var verdict = QEMUVerdict()
        #expect(verdict.monitorSaid(QMPEvent(name: .reset, reason: "guest-reset")) == .nothing)
        _ = verdict.monitorSaid(shutdown("guest-shutdown"))
        #expect(verdict.end(.exited(code: 0), errors: "") == .poweredOff)
    }

    @Test("KVM's internal error is a crash; a full disk of the host is waited for")
    func stops() {
        var verdict = QEMUVerdict()
        #expect(verdict.monitorSaid(QMPEvent(name: .stop)) == .askStatus)
        #expect(verdict.stopped(status: "io-error") == .resumeLater)
        #expect(verdict.stopped(status: "paused") == .resumeUnlessHeld)
        #expect(verdict.stopped(status: "internal-error") == .kill)
        let end = verdict.end(.signalled(9), errors: "KVM internal error. Suberror: 1")
        guard case .crashed(let message) = end else {
            Issue.record("\(end)")
            return
        }
        #expect(message.contains("Suberror: 1"))
        #expect(verdict.monitorSaid(QMPEvent(name: .stop)) == .nothing)
    }

    @Test("everything else is a crash, with QEMU's words")
    func crashes() {
        var verdict = QEMUVerdict()
        #expect(verdict.end(.signalled(9), errors: "") == .crashed(message: "QEMU ended with signal 9"))
        #expect(verdict.end(.exited(code: 1), errors: "e") == .crashed(message: "QEMU ended with exit code 1: e"))
        #expect(verdict.shareServerEnded("virtiofsd gone") == .kill)
        #expect(verdict.end(.signalled(9), errors: "") == .crashed(message: "virtiofsd gone"))
        verdict = QEMUVerdict()
        #expect(verdict.isHung("hangs") == .kill)
        #expect(verdict.end(.signalled(9), errors: "") == .crashed(message: "hangs"))
        verdict = QEMUVerdict()
        _ = verdict.monitorSaid(shutdown("host-signal"))
        guard case .crashed = verdict.end(.exited(code: 0), errors: "") else {
            Issue.record("a signal from outside is no orderly end")
            return
        }
    }
}

@Suite("A kernel's last words")
struct PanicScannerTests {
    private func scan(_ pieces: [String]) -> String? {
        var scanner = PanicScanner()
        for piece in pieces { _ = scanner.scan(ByteBuffer(string: piece)) }
        return scanner.message
    }

    @Test(
        "are found with and without a time, in whatever pieces they arrive",
        arguments: [
            (["[    9.606418] Kernel panic - not syncing: sysrq\r\n"], "Kernel panic - not syncing: sysrq"),
            (["boot\nKernel panic - not syncing: VFS\n"], "Kernel panic - not syncing: VFS"),
            (["a\n[ 1.2] Kern", "el pan", "ic - not syncing: x", "\n"], "Kernel panic - not syncing: x"),
        ])
    func found(_ pieces: [String], _ message: String) {
        #expect(scan(pieces) == message)
    }

    @Test(
        "are not what anybody else writes",
        arguments: [
            "log: Kernel panic - not syncing: no\n", "[error] Kernel panic - not syncing: no\n",
            "Kernel panic - not syncing: no end of line", "Kernel panic\n",
            String(repeating: "x", count: 600) + "Kernel panic - not syncing: y\n",
        ])
    func notFound(_ text: String) {
        #expect(scan([text]) == nil)
    }

    @Test("are told once, to whoever waits, and not at all when the console just ends")
    func watch() async {
        let watch = PanicWatch()
        async let first = watch.message()
        watch.scan(ByteBuffer(string: "Kernel panic - not syncing: a\nKernel panic - not syncing: b\n"))
        #expect(await first == "Kernel panic - not syncing: a")
        #expect(await watch.message() == "Kernel panic - not syncing: a")
        let quiet = PanicWatch()
        async let none = quiet.message()
        quiet.end()
        #expect(await none == nil)
        #expect(await quiet.message() == nil)
    }
}
