import Foundation
import Proto
import RPC
import Support
import Testing

/// The way into a guest, when it fails.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineLinkTests {
    private func isReachable(_ id: String, _ shim: ShimProcess) async throws -> Bool {
        let answer = try await shim.call(
            CRI.RuntimeService.containerStatus,
            .init {
                $0.containerId = id
                $0.verbose = true
            })
        return answer.info["info"]?.contains(#""reachable":true"#) == true
    }

    @Test func `a network that is pulled is noticed; commands say so, and the guest is found again when it is back`()
        async throws
    {
        try await MachineHost.with { shim in
            let config = shim.sandboxConfig("pulled")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("main", in: sandbox, config)
            let job = try await shim.startMachine(
                "job", in: sandbox, config,
                command: ["sh", "-c", "echo up; sleep 2; ip link set eth0 down; sleep 1000"])
            _ = try await shim.execute(machine, ["true"])
            let running = Task { await status { _ = try await shim.execute(machine, ["sleep", "1000"]) } }
            let pulling = "(sleep 1; ip link set eth0 down; sleep 110; ip link set eth0 up) >/dev/null 2>&1 &"
            let boot = try await shim.execute(
                machine, ["sh", "-c", "cat /proc/sys/kernel/random/boot_id; " + pulling]
            ).text
            try await eventually("the silence is noticed", within: .seconds(100)) {
                try await !isReachable(machine, shim)
            }
            let lost = try #require(await running.value)
            #expect(lost.code == .unavailable, "\(lost)")
            let refused = await status { _ = try await shim.execute(machine, ["true"]) }
            #expect(refused == nil || refused?.code == .unavailable, "\(String(describing: refused))")

            // Its command was lost with the connection: what becomes of it nobody can know.
            let end = try await shim.ended(job)
            #expect(end.exitCode == 255 && end.reason == "GuestUnreachable", "\(end)")
            #expect(!end.message.isEmpty)

            try await eventually("it is reached again", within: .seconds(200)) {
                try await isReachable(machine, shim)
            }
            #expect(
                try await shim.execute(machine, ["cat", "/proc/sys/kernel/random/boot_id"]).text
                    == boot)
            #expect(try await shim.status(machine).state == .containerRunning)
        }
    }

    @Test(arguments: [LinuxGuest.SSHServer.dropbear, .openssh])
    func `an SSH server that is restarted in the guest ends no command, and lets others in`(
        _ server: LinuxGuest.SSHServer
    ) async throws {
        try await MachineHost.with(server: server) { shim in
            let config = shim.sandboxConfig("restarted")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let job = try await shim.startMachine(
                "job", in: sandbox, config,
                command: ["sh", "-c", "echo up; until [ -e /tmp/go ]; do sleep 1; done; echo down; exit 7"])
            // Two emulated ends of an SSH handshake take their time where others run beside them.
            try await eventually("it is up", within: .seconds(300)) { try shim.log(config, "job") == ["up"] }
            let name = server == .dropbear ? "dropbear" : "sshd"
            // The one that listens is the oldest; who is logged in has another. Init starts it again.
            let old = try await shim.execute(
                job, ["sh", "-c", "id=$(pidof \(name) | tr ' ' '\\n' | sort -n | head -n 1); kill $id; echo $id"]
            ).text
            try await eventually("another listens", within: .seconds(60)) {
                let script = "pidof \(name); nc -w 2 127.0.0.1 22 </dev/null | head -c 4"
                let words = try await shim.execute(job, ["sh", "-c", script]).text.split(whereSeparator: \.isWhitespace)
                return words.last == "SSH-" && !words.contains { $0 + "\n" == old }
            }
            #expect(try await shim.execute(job, ["touch", "/tmp/go"]).exitCode == 0)
            let end = try await shim.ended(job)
            #expect(end.exitCode == 7, "\(end)")
            #expect(try shim.log(config, "job") == ["up", "down"])
        }
    }
}
