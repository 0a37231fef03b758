import Foundation
import Proto
import Support
import Testing

/// Pods of virtual machines, with a real guest under QEMU and no Docker Engine at all.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachinePodTests {
    @Test func `a machine image is not for Docker, and an unknown handler is refused`() async throws {
        try await MachineHost.with { shim in
            await #expect(throws: (any Error).self) {
                _ = try await shim.runSandbox(shim.sandboxConfig("docker"), handler: "docker")
            }
            let images = try await shim.call(CRI.ImageService.listImages, .init()).images
            #expect(images.map(\.repoTags) == [[MachineHost.image]])
            #expect(images.first?.id.hasPrefix("sha256:") == true)
        }
    }

    @Test
    func `the pod's kernel settings are the guest's, and the first of two machines has the port that nobody claims`()
        async throws
    {
        try await MachineHost.with(configuration: "shim: {vmSlots: 2}\n") { shim in
            var config = shim.sandboxConfig("settings")
            config.portMappings = [.init { $0.containerPort = 9090 }]
            config.linux = .init {
                $0.sysctls = ["kernel.shm_rmid_forced": "1", "net/ipv4/ip_unprivileged_port_start": "1000"]
            }
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let first = try await shim.startMachine("first", in: sandbox, config)
            let second = try await shim.startMachine("second", in: sandbox, config)
            let settings = try await shim.execute(
                first, ["cat", "/proc/sys/kernel/shm_rmid_forced", "/proc/sys/net/ipv4/ip_unprivileged_port_start"])
            #expect(settings.text == "1\n1000\n")
            let served = try await shim.execute(
                first, ["/bin/sh", "-c", "mkdir /www && echo first >/www/who && httpd -p 9090 -h /www"])
            #expect(served.exitCode == 0, "\(served.errorText)")
            let seen = try await shim.execute(second, ["wget", "-q", "-O", "-", "http://localhost:9090/who"])
            #expect(seen.text == "first\n", "\(seen.errorText)")
        }
    }
}
