import Foundation
import Proto
import Support
import Testing

/// What a guest has of its host's files, and what it says.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineMountContractTests {
    private static func folder(_ path: String, _ files: [String: String]) throws {
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        for (name, text) in files { try Data(text.utf8).write(to: URL(filePath: "\(path)/\(name)")) }
    }

    private static func mount(_ source: String, at place: String, readOnly: Bool = false) -> CRI.Mount {
        .init {
            $0.hostPath = source
            $0.containerPath = place
            $0.readonly = readOnly
        }
    }

    /// As the kubelet writes a configMap: files are links through `..data`, which is exchanged as a whole.
    private static func publish(_ text: String, version: Int, in directory: String) throws {
        try folder("\(directory)/..v\(version)", ["key": text])
        let (link, draft) = (directory + "/..data", directory + "/..data_tmp")
        try FileManager.default.createSymbolicLink(atPath: draft, withDestinationPath: "..v\(version)")
        try #require(rename(draft, link) == 0)
        if !FileManager.default.fileExists(atPath: directory + "/key") {
            try FileManager.default.createSymbolicLink(atPath: directory + "/key", withDestinationPath: "..data/key")
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `directories and files are mounted both ways, read-only when asked, and follow what is exchanged on the host`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
            let files = shim.directory + "/files"
            try Self.folder(files + "/open dir", ["host": "from the host\n"])
            try Self.folder(files + "/closed", ["host": "closed\n"])
            try Self.folder(files + "/single", ["one": "one\n", "other": "not yours\n"])
            try Self.folder(files + "/config", [:])
            try Self.publish("first\n", version: 1, in: files + "/config")
            let config = shim.sandboxConfig("mounts")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                mounts: [
                    Self.mount(files + "/open dir", at: "/mnt/open dir"),
                    Self.mount(files + "/closed", at: "/new/closed", readOnly: true),
                    Self.mount(files + "/single/one", at: "/etc/one", readOnly: true),
                    Self.mount(files + "/config", at: "/etc/config", readOnly: true),
                    // Inside of another.
                    Self.mount(files + "/single", at: "/mnt/open dir/inner"),
                ])
            let seen = try await shim.run(
                "cat '/mnt/open dir/host' /new/closed/host /etc/one '/mnt/open dir/inner/other' /etc/config/key",
                in: machine)
            #expect(seen == "from the host\nclosed\none\nnot yours\nfirst\n")
            try await shim.run(
                "echo guest >'/mnt/open dir/guest'; echo inner >'/mnt/open dir/inner/guest'", in: machine)
            #expect(try String(contentsOfFile: files + "/open dir/guest", encoding: .utf8) == "guest\n")
            #expect(try String(contentsOfFile: files + "/single/guest", encoding: .utf8) == "inner\n")
            for place in ["/new/closed/x", "/etc/one", "/etc/config/x"] {
                let refused = try await shim.execute(machine, ["sh", "-c", "echo no >\(place)"])
                #expect(refused.exitCode != 0 && refused.errorText.contains("Read-only file system"), "\(place)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: files + "/closed") == ["host"])
            #expect(try String(contentsOfFile: files + "/single/one", encoding: .utf8) == "one\n")
            // While the machine runs.
            try Data("changed\n".utf8).write(to: URL(filePath: files + "/open dir/host"))
            try Self.publish("second\n", version: 2, in: files + "/config")
            try await eventually("the guest sees what was exchanged", within: .seconds(60)) {
                try await shim.run("cat /etc/config/key '/mnt/open dir/host'", in: machine) == "second\nchanged\n"
            }
        }
    }

    @Test(arguments: ContractHost.allCases)
    func `a command's output is logged, in a new file when the old one is moved; its console and display are apart`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
            let config = shim.sandboxConfig("logs")
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                command: [
                    "sh", "-c",
                    "echo out; echo err >&2; while [ ! -e /tmp/more ]; do sleep 1; done; echo more; while :; do sleep 1; done",
                ], annotations: ["vzcri.dev/display": "640x480"])
            let path = "\(config.logDirectory)/main.log"
            try await eventually("it speaks", within: .seconds(120)) { try shim.log(config, "main").count == 2 }
            let text = try String(contentsOfFile: path, encoding: .utf8)
            #expect(text.contains(" stdout F out\n") && text.contains(" stderr F err\n"))
            try #require(rename(path, path + ".1") == 0)
            _ = try await shim.call(CRI.RuntimeService.reopenContainerLog, .init { $0.containerId = machine })
            try await shim.run(": >/tmp/more", in: machine)
            try await eventually("it speaks on") { try shim.log(config, "main") == ["more"] }
            #expect(try String(contentsOfFile: path + ".1", encoding: .utf8) == text)

            func vm(_ arguments: [String]) async throws -> ChildProcess.Outcome {
                try await Programs.run(
                    "cri-shim",
                    ["vm"] + arguments + [
                        "--root", shim.directory + "/state", "--config", shim.directory + "/config.yaml",
                    ])
            }
            let list = try await vm(["ls"])
            let row = try #require(list.output.split(separator: "\n").first { $0.hasPrefix(machine.prefix(13)) })
            #expect(row.contains("logs") && row.contains("running") && row.contains("1/256Mi"), "\(row)")
            #expect(try await vm(["console", machine, "--all"]).output.contains(LinuxGuest.readyLine))
            let picture = shim.directory + "/picture.png"
            let shot = try await vm(["screenshot", machine, "-o", picture])
            if host.can(.screenshot) {
                #expect(shot.code == 0, "\(shot.errors)")
                let bytes = try Data(contentsOf: URL(filePath: picture))
                #expect(bytes.starts(with: [0x89, 0x50, 0x4e, 0x47]))
            } else {
                #expect(shot.code != 0 && shot.errors.contains("cannot show its display"), "\(shot.errors)")
                #expect(!FileManager.default.fileExists(atPath: picture))
            }
        }
    }
}
