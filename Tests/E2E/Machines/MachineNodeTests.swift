import Foundation
import Support
import Testing

/// Pods with machines from manifests, through both daemons.
@Suite(.enabled(if: MachineHost.canRun && DockerEngine.isAvailable, MachineHost.skipReason)) struct MachineNodeTests {
    private static func manifest(_ name: String, script: String, container: String? = nil) -> String {
        """
        apiVersion: v1
        kind: Pod
        metadata:
          name: \(name)
        spec:
          restartPolicy: Never
          terminationGracePeriodSeconds: 2
          volumes:
            - {name: shared, emptyDir: {}}
          containers:
            - name: machine
              image: \(MachineHost.image)
              imagePullPolicy: Never
              command: ["sh", "-c", "\(script)"]
              volumeMounts: [{name: shared, mountPath: /shared}]
        """
            + (container.map {
                """

                    - name: beside
                      image: \(DockerEngine.image)
                      imagePullPolicy: Never
                      command: ["sh", "-c", "\($0)"]
                      volumeMounts: [{name: shared, mountPath: /shared}]
                """
            } ?? "")
    }

    private static func withNode(programs: String? = nil, _ body: (NodeProcess) async throws -> Void) async throws {
        try await MachineHost.with(docker: true, programs: programs) { shim async throws in
            let node = try NodeProcess(shim)
            try await node.startAdapter()
            do {
                try await body(node)
            } catch {
                await node.stopAdapter()
                throw error
            }
            await node.stopAdapter()
        }
    }

    @Test func `a hybrid pod passes files between its halves, and the machine's exit code is its container's`()
        async throws
    {
        try await Self.withNode { node async throws in
            try node.write(
                "hybrid.yaml",
                Self.manifest(
                    "hybrid",
                    script:
                        "until [ -f /shared/go ]; do sleep 1; done; cat /shared/go; echo back > /shared/back; exit 42",
                    container: "echo forth > /shared/go; until [ -f /shared/back ]; do sleep 1; done; cat /shared/back")
            )
            try await eventually("both have ended", within: .seconds(150)) {
                let statuses = try await node.pod("hybrid-node")?.status.containerStatuses ?? []
                return statuses.count == 2 && statuses.allSatisfy { $0.state?.terminated != nil }
            }
            let codes = try await node.pod("hybrid-node")?.status.containerStatuses?.map {
                $0.state?.terminated?.exitCode
            }
            #expect(codes == [42, 0])
            #expect(try await node.kubelet("/containerLogs/default/hybrid-node/machine").body == "forth\n")
            #expect(try await node.kubelet("/containerLogs/default/hybrid-node/beside").body == "back\n")
            try node.remove("hybrid.yaml")
            try await eventually("the pod is gone", within: .seconds(60)) { try await node.pods().isEmpty }
        }
    }

    @Test func `a dead adapter loses nothing of a machine's command`() async throws {
        try await Self.withNode { node async throws in
            try node.write(
                "job.yaml",
                Self.manifest(
                    "job",
                    script:
                        "for i in $(seq 0 19); do for j in $(seq 50); do echo line $((i * 50 + j)); done; usleep 100000; done; exit 42"
                ))
            try await eventually("it prints", within: .seconds(150)) {
                try await node.kubelet("/containerLogs/default/job-node/machine").body.contains("line 10\n")
            }
            await node.killAdapter()
            try await Task.sleep(for: .seconds(10))
            try await node.startAdapter()
            try await eventually("the code arrives", within: .seconds(60)) {
                try await node.pod("job-node")?.container?.state?.terminated?.exitCode == 42
            }
            let log = try await node.kubelet("/containerLogs/default/job-node/machine").body.split(separator: "\n")
            #expect(log.map(String.init) == (1...1000).map { "line \($0)" })
            try node.remove("job.yaml")
            try await eventually("the pod is gone", within: .seconds(60)) { try await node.pods().isEmpty }
        }
    }

    @Test func `a pod with a machine survives the upgrade of every program`() async throws {
        try await withTemporaryDirectory { programs in
            func install() async throws {
                for name in ["cri-shim", "vk-adapter", "vm-host"] {
                    // As package managers do: whole, under another name, then renamed over the one that runs. By a process
                    // of its own: a child of this one could hold the file open for writing, and then it cannot be run.
                    let copy = try await ChildProcess.run("/bin/cp", [Programs.path(name), "\(programs)/.\(name)"])
                    #expect(copy.code == 0, "\(copy.errors)")
                    guard rename("\(programs)/.\(name)", "\(programs)/\(name)") == 0 else {
                        throw ShimProcess.Failure(description: "cannot install \(name)")
                    }
                }
            }
            try await install()
            try await Self.withNode(programs: programs) { node async throws in
                try node.write(
                    "long.yaml",
                    Self.manifest("long", script: "i=0; while true; do echo line $i; i=$((i+1)); sleep 1; done"))
                try await eventually("it runs", within: .seconds(150)) {
                    try await node.kubelet("/containerLogs/default/long-node/machine").body.contains("line 1\n")
                }
                let before = try #require(try await node.pod("long-node"))
                try await install()
                await node.stopAdapter()
                await node.shim.stopProcess()
                try await node.shim.start()
                try await node.startAdapter()
                try await eventually("it is seen again") {
                    try await node.pod("long-node")?.container?.state?.running != nil
                }
                let after = try #require(try await node.pod("long-node"))
                #expect(after.container?.containerID == before.container?.containerID)
                #expect(after.container?.restartCount == 0)
                #expect(after.container?.state?.running?.startedAt == before.container?.state?.running?.startedAt)
                #expect(after.status.podIP == before.status.podIP)
                let known = try await node.kubelet("/containerLogs/default/long-node/machine").body.count
                try await eventually("its log goes on") {
                    try await node.kubelet("/containerLogs/default/long-node/machine").body.count > known
                }
                try node.remove("long.yaml")
                try await eventually("the pod is gone", within: .seconds(60)) { try await node.pods().isEmpty }
            }
        }
    }
}
