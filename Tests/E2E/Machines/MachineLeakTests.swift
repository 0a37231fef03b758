import Foundation
import Proto
import Support
import Testing

/// What twenty pods, one after the other, and four at once leave behind: nothing.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason), .serialized) struct MachineLeakTests {
    private static func live(
        _ shim: ShimProcess, _ name: String, meanwhile: () async throws -> Void = {}
    ) async throws {
        let config = shim.sandboxConfig(name)
        let sandbox = try await shim.runSandbox(config, handler: "vm")
        let job = try await shim.startMachine(
            "job", in: sandbox, config, command: ["sh", "-c", "echo \(name); exit 3"])
        let end = try await shim.ended(job)
        #expect(end.exitCode == 3, "\(end)")
        #expect(try shim.log(config, "job") == [name])
        try await meanwhile()
        _ = try await shim.call(CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = sandbox })
    }

    @Test(.timeLimit(.minutes(10)))
    func `pods come and go and leave no process, file, namespace, interface, lease or slot`() async throws {
        // As many slots as run at once: one that is not given back is missed.
        try await MachineHost.with(configuration: "shim:\n  vmSlots: 4\n") { shim in
            // The first makes what all share.
            try await Self.live(shim, "first") {
                let interfaces = try await Leftovers.look().interfaces(of: shim)
                #expect(interfaces.count == 2, "the bridge and the pod's cable: \(interfaces)")
            }
            let descriptors = try shim.openDescriptors()
            for number in 0..<Faults.rounds * 4 { try await Self.live(shim, "serial-\(number)") }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for number in 0..<4 { group.addTask { try await Self.live(shim, "parallel-\(number)") } }
                try await group.waitForAll()
            }
            try await eventually("no machine's process is left") {
                try Leftovers.processes(below: "\(shim.directory)/state").allSatisfy {
                    !$0.contains("qemu") && !$0.contains("vm-host") && !$0.contains("virtiofsd")
                }
            }
            for place in ["machines", "sandboxes", "run/m", "run/netns"] {
                let left = try FileManager.default.contentsOfDirectory(atPath: "\(shim.directory)/state/\(place)")
                #expect(left.isEmpty, "\(place)")
            }
            let interfaces = try await Leftovers.look().interfaces(of: shim)
            #expect(interfaces.isEmpty, "\(interfaces)")
            try await eventually("descriptors are given back") { try shim.openDescriptors() <= descriptors + 2 }
        }
    }
}
