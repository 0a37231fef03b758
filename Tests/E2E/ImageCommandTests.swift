import Foundation
import Logging
import NIOPosix
import Proto
import RPC
import Sockets
import Support
import Testing

/// `cri-shim image` as a user runs it, beside a daemon that has no Docker.
@Suite struct ImageCommandTests {
    @Test("images come, are shown and go while a daemon without Docker runs, and it sees each change at once")
    func besideDaemon() async throws {
        try await withTemporaryDirectory { directory in
            let files = try Files(directory)
            let socket = directory + "/cri.sock"
            let daemon = try Programs.start(
                "cri-shim",
                [
                    "serve", "--config", files.config, "--root", files.root, "--listen", "unix://\(socket)",
                    "--docker-host", "unix://\(directory)/no-docker.sock", "--log-level", "warning",
                ])
            let client = RPCClient(
                endpoint: .unix(path: socket), group: MultiThreadedEventLoopGroup.singleton,
                logger: Logger(label: "e2e"))
            do {
                try await eventually("the daemon serves", within: .seconds(60)) { try await answers(client) }
                let id = try await files.add("localhost/guest:1")
                #expect(try await listed(client) == [id])
                let seen = try await client.call(
                    HostAPI.HostService.classifyImage, .init { $0.image = "localhost/guest:1" }, timeout: .seconds(20))
                #expect(seen.runtime == .runtimeVm)
                #expect(seen.digest == id)
                let pulled = try await client.call(
                    CRI.ImageService.pullImage, .init { $0.image = .init { $0.image = "localhost/guest:1" } },
                    timeout: .seconds(20))
                #expect(pulled.imageRef == id)
                let outcome = try await files.run("rm", ["localhost/guest:1"])
                #expect(outcome.output == "untagged localhost/guest:1\ndeleted \(id)\n")
                #expect(try await listed(client).isEmpty)
            } catch {
                Issue.record(error)
            }
            await client.close()
            daemon.send(SIGTERM)
            _ = await daemon.wait()
        }
    }

    @Test("an import that is killed leaves nothing that a later command does not remove")
    func killed() async throws {
        try await withTemporaryDirectory { directory in
            let files = try Files(directory)
            let kept = try await files.add("kept")
            let big = directory + "/big"
            try Data().write(to: URL(filePath: big))
            let handle = try FileHandle(forWritingTo: URL(filePath: big))
            for _ in 0..<64 { try handle.write(contentsOf: Data(repeating: 7, count: 4 << 20)) }
            try handle.close()
            let process = try Programs.start(
                "cri-shim", ["image", "import", "--name", "big", "--efi", "--disk", big] + files.options)
            let staging = files.root + "/images/staging"
            try await eventually("the import copies", within: .seconds(60)) {
                guard let found = FileManager.default.subpaths(atPath: staging) else { return false }
                return found.count > 2
            }
            process.send(SIGKILL)
            let end = await process.wait()
            let list = try await files.run("ls", ["-q"]).output.split(separator: "\n").map(String.init)
            // On a machine that stood still meanwhile it may have been over: then it is whole.
            #expect(list.count == (end.code == 0 ? 2 : 1))
            #expect(list.contains(kept))
            #expect(try await files.run("rm", ["big"]).code == (end.code == 0 ? 0 : 1))
            #expect(try await files.run("prune", []).code == 0)
            #expect(try FileManager.default.contentsOfDirectory(atPath: staging).isEmpty)
            #expect(try FileManager.default.contentsOfDirectory(atPath: files.root + "/images/disks/sha256").isEmpty)
            #expect(try await files.run("inspect", ["kept"]).output.contains(kept))
        }
    }

    @Test("what makes no sense ends with one line and a code that says what kind of mistake it was")
    func mistakes() async throws {
        try await withTemporaryDirectory { directory in
            let files = try Files(directory)
            let wrong: [(String, [String], Int32, String)] = [
                ("import", ["--name", "a"], 64, "one of --kernel, --efi and --macos"),
                (
                    "import", ["--name", "a", "--kernel", files.kernel, "--efi"], 64,
                    "one of --kernel, --efi and --macos"
                ),
                (
                    "import", ["--name", "a", "--efi", "--initrd", files.kernel, "--disk", files.kernel], 64,
                    "go with --kernel"
                ),
                ("import", ["--name", "a", "--kernel", files.kernel, "--nvram", files.kernel], 64, "goes with --efi"),
                ("import", ["--name", "a", "--kernel", files.kernel, "--key-file", "k"], 64, "goes with --user"),
                ("import", ["--name", "a", "--kernel", files.kernel, "--memory", "much"], 64, "--memory"),
                ("import", ["--name", "a", "--macos", directory, "--efi"], 64, "one of --kernel, --efi and --macos"),
                ("import", ["--name", "a", "--macos", directory, "--os", "linux"], 64, "--os linux"),
                ("import", ["--name", "a", "--hardware-model", files.kernel], 64, "together"),
                ("import", ["--name", "a", "--macos", directory], 64, "lacks its disk (disk.img), and its auxiliary"),
                ("import", ["--name", "a", "--macos", directory + "/none"], 1, "no macOS bundle"),
                ("import", ["--name", "A B", "--kernel", files.kernel], 64, "no image name"),
                ("import", ["--name", "a", "--efi", "--disk", files.kernel], 64, "multiple of 512"),
                ("import", ["--name", "a", "--kernel", directory + "/none"], 1, "No such file"),
                ("inspect", ["none"], 1, "there is no VM image none here"),
                ("rm", ["none"], 1, "there is no VM image none here"),
                ("tag", ["none", "a"], 1, "there is no VM image none here"),
            ]
            for (command, arguments, code, text) in wrong {
                expectOneLine(try await files.run(command, arguments), "cri-shim", code: code, text)
            }
            try Data("shim: {rot: x}".utf8).write(to: URL(filePath: files.config))
            expectOneLine(try await files.run("ls", []), "cri-shim", code: 78, "did you mean \"root\"?")
        }
    }

    @Test("a macOS guest is imported of its directory, or of files named one by one, and shown as what it is")
    func macOS() async throws {
        try await withTemporaryDirectory { directory in
            let files = try Files(directory)
            let bundle = directory + "/VM.bundle"
            try FileManager.default.createDirectory(atPath: bundle, withIntermediateDirectories: false)
            for (name, data) in [
                ("Disk.img", Data(repeating: 7, count: 1024)), ("AuxiliaryStorage", Data("aux".utf8)),
                ("HardwareModel", Data("bplist00model".utf8)),
            ] {
                try data.write(to: URL(filePath: bundle + "/" + name))
            }
            let whole = try await files.run("import", ["--name", "mac:1", "--macos", bundle, "--user", "admin"])
            #expect(whole.code == 0, "\(whole.errors)")
            let single = try await files.run(
                "import",
                [
                    "--name", "mac:2", "--disk", bundle + "/Disk.img", "--auxiliary-storage",
                    bundle + "/AuxiliaryStorage", "--hardware-model", bundle + "/HardwareModel", "--user", "admin",
                ])
            #expect(single.output == whole.output, "\(single.errors)")
            let list = try await files.run("ls", []).output
            #expect(list.contains("macos/arm64"))
            let shown = try await files.run("inspect", ["mac:1"]).output
            #expect(shown.contains("\"by\" : \"mac\""), "\(shown)")
            #expect(shown.contains("\"hardwareModel\" : \"\(files.root)/images/blobs/"))
            #expect(shown.contains("\"auxiliaryStorage\" : \"\(files.root)/images/blobs/"))
        }
    }

    /// What the commands work on.
    private struct Files {
        var directory: String
        var root: String { directory + "/root" }
        var config: String { directory + "/config.yaml" }
        var kernel: String { directory + "/kernel" }
        var options: [String] { ["--root", root, "--config", config] }

        init(_ directory: String) throws {
            self.directory = directory
            try Data().write(to: URL(filePath: config))
            try Data("kernel".utf8).write(to: URL(filePath: kernel))
        }

        func run(_ command: String, _ arguments: [String]) async throws -> ChildProcess.Outcome {
            try await Programs.run("cri-shim", ["image", command] + arguments + options)
        }

        /// - Returns: the image's id.
        func add(_ name: String) async throws -> String {
            let outcome = try await run("import", ["--name", name, "--kernel", kernel, "--user", "root"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            return outcome.output.split(separator: "\n").last.map(String.init) ?? ""
        }
    }

    private func answers(_ client: RPCClient) async throws -> Bool {
        do {
            _ = try await client.call(CRI.RuntimeService.version, .init(), timeout: .seconds(5))
            return true
        } catch let error as RPCError where error.code == .unavailable {
            return false
        }
    }

    private func listed(_ client: RPCClient) async throws -> [String] {
        try await client.call(CRI.ImageService.listImages, .init(), timeout: .seconds(20)).images.map(\.id)
    }
}
