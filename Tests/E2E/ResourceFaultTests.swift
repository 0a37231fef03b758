import Foundation
import Proto
import RPC
import Support
import Testing

/// Full disks, engines that die, ports in use, files that cannot be read.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ResourceFaultTests {
    /// A small file system of its own.
    private func withSmallDisk(_ body: (String) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let disk = directory + "/disk"
            try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
            let mounted = try await ChildProcess.run("/bin/mount", ["-t", "tmpfs", "-o", "size=512k", "tmpfs", disk])
            try #require(mounted.code == 0, "\(mounted.errors)")
            do {
                try await body(disk)
            } catch {
                _ = try? await ChildProcess.run("/bin/umount", ["-l", disk])
                throw error
            }
            _ = try await ChildProcess.run("/bin/umount", ["-l", disk])
        }
    }

    private func fill(_ disk: String) {
        var size = 1 << 20
        while size > 0 {
            let file =
                FileManager.default.fileExists(atPath: disk + "/ballast")
                ? FileHandle(forWritingAtPath: disk + "/ballast") : nil
            if file == nil { _ = FileManager.default.createFile(atPath: disk + "/ballast", contents: nil) }
            let handle = file ?? FileHandle(forWritingAtPath: disk + "/ballast")
            _ = try? handle?.seekToEnd()
            if (try? handle?.write(contentsOf: Data(count: size))) == nil { size /= 2 }
            try? handle?.close()
        }
    }

    @Test func `a full disk stops a start with one line`() async throws {
        try await withSmallDisk { disk in
            try FileManager.default.createDirectory(atPath: disk + "/state", withIntermediateDirectories: true)
            fill(disk)
            let before = try snapshot(disk)
            let outcome = try await Programs.run(
                "cri-shim",
                ["serve", "--root", disk + "/state", "--listen", "unix://\(disk)/../s", "--config", "/dev/null"])
            expectOneLine(outcome, "cri-shim", code: 1, "No space left", disk)
            let after = try snapshot(disk).filter { !$0.key.hasSuffix("lock") && !$0.key.hasSuffix("sandboxes") }
            #expect(after == before.filter { !$0.key.hasSuffix("lock") && !$0.key.hasSuffix("sandboxes") })
        }
    }

    @Test func `a full disk refuses a pod and leaves nothing of it`() async throws {
        try await DockerEngine.requireImage()
        try await withSmallDisk { disk in
            let shim = ShimProcess(disk, docker: try DockerEngine.requireSocket())
            try await shim.start()
            fill(disk)
            let config = shim.sandboxConfig("full")
            do {
                _ = try await shim.runSandbox(config)
                Issue.record("a sandbox was made on a full disk")
            } catch let error as RPCError {
                #expect(error.code == .resourceExhausted)
                #expect(error.message.contains("No space left"), "\(error.message)")
            }
            let sandboxes = try await shim.call(CRI.RuntimeService.listPodSandbox, .init()).items
            #expect(sandboxes.isEmpty)
            let left = try await EngineView.containers(labelled: "io.vzcri.instance=\(shim.instance)")
            #expect(left.isEmpty)
            // With space again, all is well.
            try FileManager.default.removeItem(atPath: disk + "/ballast")
            _ = try await shim.runSandbox(config)
            try await shim.removeEverything()
            await shim.stop()
        }
    }

    @Test func `an engine that dies is said once, and what is known stays known`() async throws {
        let script = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
            .appending(path: "scripts/docker-engine").path
        let engine = "/tmp/vzt.\(String(UInt32.random(in: 0...UInt32.max), radix: 36))"
        let started = try await ChildProcess.run(script, ["start", engine], limit: .seconds(90))
        try #require(started.code == 0, "\(started.errors)")
        func stopEngine() async { _ = try? await ChildProcess.run(script, ["stop", engine], limit: .seconds(90)) }
        do {
            try await withTemporaryDirectory { directory in
                let shim = ShimProcess(directory, docker: engine + "/docker.sock")
                try await shim.start()
                let sandbox = try await shim.runSandbox(shim.sandboxConfig("lonely"))
                let pid = try String(contentsOfFile: engine + "/docker.pid", encoding: .utf8).trimmingCharacters(
                    in: .whitespacesAndNewlines)
                kill(try #require(Int32(pid)), SIGKILL)
                try await eventually("the shim notices") {
                    try await Programs.run("cri-shim", ["ctl", "info", "--endpoint", "unix://\(shim.socket)"]).output
                        .contains("DockerUnreachable")
                }
                let sandboxes = try await shim.call(CRI.RuntimeService.listPodSandbox, .init()).items
                #expect(sandboxes.map(\.id) == [sandbox])
                do {
                    _ = try await shim.runSandbox(shim.sandboxConfig("late"), handler: "docker")
                    Issue.record("a sandbox was made without an engine")
                } catch let error as RPCError {
                    #expect(error.code == .unavailable)
                    #expect(error.message.contains(engine + "/docker.sock"), "\(error.message)")
                }
                let lines = shim.errors.split(separator: "\n").filter { $0.contains(" error ") }
                #expect(lines.count == 1, "\(shim.errors)")
                await shim.stop()
            }
        } catch {
            await stopEngine()
            throw error
        }
        await stopEngine()
    }

    @Test func `a kubelet port in use is named`() async throws {
        try await NodeProcess.with { node async throws in
            try await withTemporaryDirectory { directory in
                try FileManager.default.createDirectory(atPath: directory + "/pods", withIntermediateDirectories: true)
                let second = try await Programs.run(
                    "vk-adapter",
                    [
                        "run", "--standalone", "--cri", "unix://\(node.shim.socket)", "--pod-manifest-path",
                        directory + "/pods", "--root",
                        directory + "/root", "--nodename", "other", "--kubelet-address", "127.0.0.1", "--kubelet-port",
                        "\(node.port)",
                        "--config", "/dev/null",
                    ])
                expectOneLine(second, "vk-adapter", code: 1, "127.0.0.1:\(node.port)")
            }
            let healthy = try await node.kubelet("/healthz")
            #expect(healthy.status == 200)
        }
    }

    @Test func `certificates that are missing or open to others are named`() async throws {
        try await withTemporaryDirectory { directory in
            func serve(_ certificate: String, _ key: String) async throws -> ChildProcess.Outcome {
                try await Programs.run(
                    "cri-shim",
                    [
                        "serve", "--root", directory + "/state", "--listen", "tcp://127.0.0.1:0", "--tls-cert",
                        certificate, "--tls-key", key,
                        "--client-ca", certificate, "--config", "/dev/null",
                    ])
            }
            expectOneLine(
                try await serve(directory + "/none.crt", directory + "/none.key"), "cri-shim", code: 1,
                directory + "/none.")
            let made = try await ChildProcess.run(
                "/usr/bin/openssl",
                [
                    "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout",
                    directory + "/key.pem", "-out",
                    directory + "/cert.pem", "-subj", "/CN=x",
                ])
            #expect(made.code == 0, "\(made.errors)")
            chmod(directory + "/key.pem", 0o644)
            expectOneLine(
                try await serve(directory + "/cert.pem", directory + "/key.pem"), "cri-shim", code: 1, "chmod 600")
        }
    }
}
