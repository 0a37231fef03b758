import Foundation
import Proto
import Support
import Testing

/// A container and a machine in one pod: one namespace, one address, one localhost, one directory.
@Suite(.enabled(if: MachineHost.canRun && DockerEngine.isAvailable, MachineHost.skipReason)) struct HybridPodTests {
    @Test func `a container and a machine share address, localhost and files, and find each other by name`()
        async throws
    {
        try await MachineHost.with(docker: true) { shim in
            let shared = shim.directory + "/shared"
            try FileManager.default.createDirectory(atPath: shared, withIntermediateDirectories: true)
            try FileManager.default.setAttributes([.posixPermissions: 0o777], ofItemAtPath: shared)
            let mount = CRI.Mount {
                $0.containerPath = "/shared"
                $0.hostPath = shared
            }
            var config = shim.sandboxConfig("hybrid")
            config.portMappings = [8080, 9090].map { port in .init { $0.containerPort = Int32(port) } }
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let address = try #require(try await shim.sandboxStatus(sandbox).network?.ip)
            #expect(!address.isEmpty)
            let watch = Task {
                var seen: Set<String> = []
                while !Task.isCancelled {
                    seen.insert(try await shim.sandboxStatus(sandbox).network?.ip ?? "")
                    try? await Task.sleep(for: .milliseconds(20))
                }
                return seen
            }

            let ports = ["io.kubernetes.container.ports": #"[{"containerPort":9090,"protocol":"TCP"}]"#]
            let machine = try await shim.startMachine(
                "machine", in: sandbox, config,
                command: [
                    "sh", "-c",
                    "mkdir -p /www; echo machine > /www/who; httpd -p 9090 -h /www; echo up; while true; do sleep 60; done",
                ], mounts: [mount], annotations: ports)
            let container = try await shim.startContainer(
                "web", in: sandbox, config,
                script: "mkdir -p /www; echo container > /www/who; httpd -f -p 8080 -h /www", mounts: [mount])
            try await eventually("the machine is up", within: .seconds(120)) {
                try shim.log(config, "machine") == ["up"]
            }
            func fetch(_ host: String, _ port: Int, from id: String) async throws -> String? {
                let request = #"printf 'GET /who HTTP/1.0\r\n\r\n' | nc -w 5 "$0" "$1""#
                let answer = try await shim.execute(id, ["sh", "-c", request, host, "\(port)"]).text
                return answer.split(whereSeparator: \.isNewline).last.map(String.init)
            }
            // One localhost, both ways.
            try await eventually("the container reaches the machine") {
                try await fetch("localhost", 9090, from: container) == "machine"
            }
            try await eventually("the machine reaches the container") {
                try await fetch("localhost", 8080, from: machine) == "container"
            }
            // By name.
            #expect(try await fetch("vm", 9090, from: container) == "machine")
            #expect(try await fetch("pod", 8080, from: machine) == "container")
            // As a probe does it: at the pod's address, from the host.
            for (port, who) in [(9090, "machine\n"), (8080, "container\n")] {
                let answer = try await ChildProcess.run(
                    "/usr/bin/curl", ["-sS", "--max-time", "10", "http://\(address):\(port)/who"])
                #expect(answer.output == who, "\(answer.errors)")
            }
            // One directory, both ways.
            _ = try await shim.execute(machine, ["sh", "-c", "echo from the machine > /shared/a"])
            #expect(try await shim.execute(container, ["cat", "/shared/a"]).text == "from the machine\n")
            _ = try await shim.execute(container, ["sh", "-c", "echo from the container > /shared/b"])
            #expect(try await shim.execute(machine, ["cat", "/shared/b"]).text == "from the container\n")

            watch.cancel()
            #expect(try await watch.value == [address])
        }
    }

    @Test func `when the pause container dies the machine lives on, and containers can be made again`() async throws {
        try await MachineHost.with(docker: true) { shim in
            let config = shim.sandboxConfig("pause")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine("machine", in: sandbox, config)
            let container = try await shim.startContainer("c", in: sandbox, config, script: "sleep 1000")
            _ = try await shim.execute(machine, ["true"])
            let before = try await shim.sandboxStatus(sandbox)
            let pause = try await EngineView.containers(labelled: "io.vzcri.kind=pause", "io.vzcri.sandbox=\(sandbox)")
            #expect(pause.count == 1)
            try await EngineView.kill(try #require(pause.first))
            let end = try await shim.ended(container)
            #expect(end.state == .containerExited)
            try await eventually("another holds the pod") {
                let now = try await EngineView.containers(
                    labelled: "io.vzcri.kind=pause", "io.vzcri.sandbox=\(sandbox)", running: true)
                return now.count == 1 && now != pause
            }
            let after = try await shim.sandboxStatus(sandbox)
            #expect(after.state == .sandboxReady && after.network == before.network)
            #expect(try await shim.execute(machine, ["echo", "alive"]).text == "alive\n")
            let next = try await shim.startContainer("d", in: sandbox, config, script: "sleep 1000")
            #expect(try await shim.status(next).state == .containerRunning)
        }
    }
}
