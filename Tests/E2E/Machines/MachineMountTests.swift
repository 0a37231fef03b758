import Foundation
import HostFiles
import Proto
import RPC
import Support
import Testing

/// What a machine mounts: kept up to date, and no way out of it for anybody, in either direction.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachineMountTests {
    /// How a guest comes by what it mounts.
    enum Way: String, CaseIterable, CustomTestStringConvertible {
        case shared, copied

        var testDescription: String { rawValue }
        /// A kernel that may not load the driver has none.
        var annotations: [String: String] {
            self == .copied ? ["vzcri.dev/boot-args": "module_blacklist=virtiofs"] : [:]
        }
    }

    private func mount(_ source: String, at path: String, readOnly: Bool = false) -> CRI.Mount {
        .init {
            $0.hostPath = source
            $0.containerPath = path
            $0.readonly = readOnly
        }
    }

    /// As kubelets do it: a new directory, a link that is exchanged, and the old one goes.
    private func write(_ version: String, in directory: String) throws {
        let files = FileManager.default
        try files.createDirectory(atPath: "\(directory)/..\(version)", withIntermediateDirectories: true)
        try version.write(toFile: "\(directory)/..\(version)/key", atomically: false, encoding: .utf8)
        let before = try? files.destinationOfSymbolicLink(atPath: directory + "/..data")
        symlink("..\(version)", directory + "/..data_tmp")
        #expect(rename(directory + "/..data_tmp", directory + "/..data") == 0)
        symlink("..data/key", directory + "/key")
        if let before { try files.removeItem(atPath: "\(directory)/\(before)") }
    }

    @Test(arguments: Way.allCases) func `a configuration that is exchanged on the host is exchanged in the guest`(
        _ way: Way
    ) async throws {
        try await MachineHost.with { shim in
            let source = shim.directory + "/config"
            try write("one", in: source)
            try "alone".write(toFile: shim.directory + "/file", atomically: true, encoding: .utf8)
            let config = shim.sandboxConfig("refresh-\(way.rawValue)")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                mounts: [
                    mount(source, at: "/etc/app", readOnly: true),
                    mount(shim.directory + "/file", at: "/etc/alone", readOnly: true),
                ], annotations: way.annotations)
            #expect(try await shim.execute(machine, ["cat", "/etc/app/key", "/etc/alone"]).text == "onealone")
            #expect(try await shim.execute(machine, ["touch", "/etc/app/x"]).exitCode != 0)
            for version in ["two", "three"] {
                try write(version, in: source)
                try await eventually("\(version) is seen", within: .seconds(60)) {
                    try await shim.execute(machine, ["cat", "/etc/app/key"]).text == version
                }
            }
            let answer = try await shim.call(
                CRI.RuntimeService.containerStatus,
                .init {
                    $0.containerId = machine
                    $0.verbose = true
                })
            let status = try #require(answer.status)
            switch way {
            case .shared:
                #expect(status.reason.isEmpty && status.message.isEmpty)
                #expect(answer.info["info"]?.contains(#""notices":[]"#) == true)
            case .copied:
                #expect(status.state == .containerRunning && status.reason == "MountCopied", "\(status)")
                #expect(status.message.contains("/etc/app: ") && status.message.contains("/etc/alone: "))
                #expect(answer.info["info"]?.contains("MountCopied: /etc/app: ") == true)
            }
        }
    }

    @Test func `links on the host lead the guest nowhere but to its own files`() async throws {
        try await MachineHost.with { shim in
            let outside = shim.directory + "/outside"
            let share = shim.directory + "/share"
            for path in [outside, share] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            let secret = "secret-\(UInt64.random(in: 0...UInt64.max))"
            try secret.write(toFile: outside + "/secret", atomically: true, encoding: .utf8)
            symlink(outside + "/secret", share + "/absolute")
            symlink("../outside/secret", share + "/beside")
            symlink("../../../../../../../..\(outside)/secret", share + "/above")
            symlink(outside, share + "/directory")
            symlink("/etc/shadow", share + "/shadow")
            let config = shim.sandboxConfig("links")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config, mounts: [mount(share, at: "/mnt/share")])
            let answer = try await shim.execute(
                machine,
                [
                    "sh", "-c",
                    """
                    cd /mnt/share
                    cat absolute beside above directory/secret ../../..\(outside)/secret ./../outside/secret
                    cmp shadow /etc/shadow && echo own
                    """,
                ])
            #expect(answer.text == "own\n", "\(answer.errorText)")
            #expect(!answer.text.contains(secret) && !answer.errorText.contains(secret))
        }
    }

    @Test func `what a guest makes in a volume leads nobody on the host out of it`() async throws {
        try await MachineHost.with { shim in
            let outside = shim.directory + "/outside"
            try FileManager.default.createDirectory(atPath: outside, withIntermediateDirectories: true)
            try "precious".write(toFile: outside + "/file", atomically: true, encoding: .utf8)
            let pod = shim.directory + "/pods/uid"
            try FileManager.default.createDirectory(atPath: pod, withIntermediateDirectories: true)
            let volume = VolumeDirectory(root: pod, relative: "volumes/kubernetes.io~empty-dir/data")
            try await volume.make()
            let config = shim.sandboxConfig("hostile")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config, mounts: [mount(volume.path, at: "/data")])
            let answer = try await shim.execute(
                machine,
                [
                    "sh", "-c",
                    """
                    cd /data; exec 2>&1
                    ln -s \(outside) directory; ln -s \(outside)/file file; ln -s / root; ln -s /etc/passwd passwd
                    ln -s ../../../../../outside above; ln -s loop loop; mkdir sub; ln -s ../directory sub/link
                    echo own > own; ln own twice; mkfifo pipe; cp /bin/busybox setuid; chmod 4755 setuid
                    mknod disk b 8 0 && echo made a disk; mknod memory c 1 1 && echo made a device
                    i=0; while [ $i -lt 60 ]; do mkdir d; cd d; i=$((i+1)); done; sync; echo done
                    """,
                ])
            #expect(answer.text.hasSuffix("done\n"), "\(answer.text)")
            #expect(!answer.text.contains("made a"), "\(answer.text)")

            // Looking: at sizes, and into files.
            let top = try DirectoryHandle.open(volume.path)
            #expect(Set(try top.names()).isSuperset(of: ["directory", "file", "pipe", "sub", "d"]))
            #expect(try await volume.usage().inodes < 100)
            for name in [
                "file", "directory/file", "sub/link/file", "above/file", "passwd", "loop", "pipe", "root/etc/passwd",
            ] {
                #expect(throws: HostFilesError.self, "\(name)") { _ = try top.read(name, limit: 1 << 20) }
            }
            #expect(throws: HostFilesError.self) { try top.write([], to: "directory/file", mode: 0o644) }
            #expect(throws: HostFilesError.self) { _ = try top.makeDirectories("above/new", mode: 0o755) }

            // Mounting: what another container is to be given of the volume.
            for (name, words) in [
                ("directory", "leads to"), ("sub/link", "leads to"), ("file", "leads to"), ("root/etc", "leads to"),
                ("above", "leads to"), ("pipe", "neither a directory nor a file"),
            ] {
                let refusal = await status {
                    _ = try await shim.createMachine(
                        "other", in: sandbox, config, mounts: [mount("\(volume.path)/\(name)", at: "/mnt/x")])
                }
                #expect(refusal?.message.contains(words) == true, "\(name): \(String(describing: refusal))")
            }
            let honest = try await shim.createMachine(
                "honest", in: sandbox, config, mounts: [mount("\(volume.path)/sub", at: "/mnt/x")])
            // It was looked at when the container was made; now it is another.
            #expect(rename(volume.path + "/sub", volume.path + "/was") == 0)
            symlink(outside, volume.path + "/sub")
            let refusal = await status { try await shim.startContainer(honest) }
            #expect(refusal?.message.contains("is a link") == true, "\(String(describing: refusal))")

            // Removing.
            try await shim.stopContainer(machine, grace: 0)
            try await volume.remove()
            #expect(!FileManager.default.fileExists(atPath: volume.path))
            #expect(try String(contentsOfFile: outside + "/file", encoding: .utf8) == "precious")
            #expect(try FileManager.default.contentsOfDirectory(atPath: outside) == ["file"])
        }
    }
}
