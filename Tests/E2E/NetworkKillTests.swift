import Foundation
import Processes
import Proto
import Support
import Testing

/// `kill -9` of cri-shim while it makes and removes pods with networks of its own.
@Suite(
    .enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason),
    .enabled(
        if: NetworkNamespace.isPossible || ProcessInfo.processInfo.environment["CI"] != nil,
        "skipped, because this user may not make network namespaces (run scripts/test as root)"))
struct NetworkKillTests {
    @Test func `a shim killed while it makes networks leaves none it does not know`() async throws {
        var random = Faults.random("killing cri-shim while it makes networks")
        try await ShimProcess.with { shim in
            for round in 0..<Faults.rounds {
                let kept = try await shim.runSandbox(shim.sandboxConfig("kept-\(round)"), handler: "vm")
                let before = try await address(kept, shim)
                let work = Task {
                    await withTaskGroup(of: Void.self) { group in
                        for lane in 0..<3 {
                            group.addTask {
                                for number in 0..<100 where !Task.isCancelled {
                                    // The shim may be gone at any moment.
                                    let config = shim.sandboxConfig("pod-\(round)-\(lane)-\(number)")
                                    guard let id = try? await shim.runSandbox(config, handler: "vm") else { return }
                                    guard number % 2 == 0 else { continue }
                                    _ = try? await shim.call(
                                        CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = id })
                                }
                            }
                        }
                    }
                }
                try await Task.sleep(for: .milliseconds(Int.random(in: 20...900, using: &random)))
                await shim.kill()
                work.cancel()
                await work.value
                try await shim.start()
                // What lives keeps its address, and no two have the same.
                let sandboxes = try await shim.call(CRI.RuntimeService.listPodSandbox, .init()).items
                var addresses: [String] = []
                for sandbox in sandboxes where sandbox.state == .sandboxReady {
                    addresses.append(try await address(sandbox.id, shim))
                }
                #expect(try await address(kept, shim) == before)
                #expect(Set(addresses).count == addresses.count)
                try await shim.removeEverything()
                #expect(try await traces(of: shim) == [])
            }
        }
    }

    private func address(_ sandbox: String, _ shim: ShimProcess) async throws -> String {
        let status = try await shim.call(CRI.RuntimeService.podSandboxStatus, .init { $0.podSandboxId = sandbox })
            .status
        #expect(status?.state == .sandboxReady)
        return try #require(status?.network).ip
    }

    /// Devices, mounts, rules and leases of a shim.
    private func traces(of shim: ShimProcess) async throws -> [String] {
        let mark = try shim.instance.prefix(8)
        let devices = try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net").filter {
            $0.contains(mark) || $0.hasPrefix("v" + mark.prefix(6))
        }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).split(separator: "\n").filter {
            $0.contains(shim.directory + "/")
        }
        let rules = try await Command.run("iptables-save", [], limit: 64 << 20).text.split(separator: "\n").filter {
            $0.contains(mark)
        }
        let leases = try FileManager.default.contentsOfDirectory(atPath: shim.directory + "/state/network/pods")
        return devices + mounts.map(String.init) + rules.map(String.init) + leases
    }
}
