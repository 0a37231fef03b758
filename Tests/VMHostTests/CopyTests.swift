import Foundation
import NIOCore
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("A guest that cannot mount shares", .enabled(if: SSHServer.canRun, "skipped, because sshd or root is missing"))
struct CopyTests {
    private func withHost(
        preparing: String = "", _ change: (inout MachineConfig, String) throws -> Void,
        _ body: (HostHarness, String) async throws -> Void
    ) async throws {
        try await SSHServer.with(preparing: preparing) { server, _ in
            try await withTemporaryDirectory { directory in
                let engine = FakeEngine(
                    address: GuestAddress(host: "127.0.0.1", port: server.port), onEnd: { server.cutPower() })
                var problem: (any Error)?
                try await HostHarness.with(engine: engine, overSSH: true) { config in
                    config.credentials = .init(user: "root", keyFile: server.keyFile)
                    do { try change(&config, directory) } catch { problem = error }
                } _: { host in
                    if let problem { throw problem }
                    try await body(host, directory)
                }
            }
        }
    }

    private func exec(_ host: HostHarness, _ script: String) async throws -> String {
        let session = try await host.client.exec(GuestExec(command: ["sh", "-c", script]))
        var said = ""
        for try await event in session.events {
            switch event {
            case .output(let bytes), .errorOutput(let bytes): said += String(buffer: bytes)
            case .exited: break
            case .failed(let error): throw error
            }
        }
        return said
    }

    @Test("its command finds what it mounts, copied: modes, links, large files; protected where it is read-only")
    func command() async throws {
        try await withHost { config, directory in
            let made = try ChildProcess(
                "/bin/sh",
                [
                    "-ec",
                    """
                    mkdir -p \(directory)/from/sub \(directory)/files/0 \(directory)/mnt; cd \(directory)/from
                    echo one > one; echo 'echo ran' > sub/run; chmod 755 sub/run; chmod 1777 .
                    head -c 40000000 /dev/urandom > large; ln -s /etc/shadow sub/out; ln -s ../one sub/up; mkfifo pipe
                    echo key > ../files/0/key
                    """,
                ]
            ).waitBlocking()
            #expect(made.code == 0, "\(made.errors)")
            config.shares = [
                .init(tag: "m0", source: directory + "/from", readOnly: false),
                .init(tag: "files", source: directory + "/files", readOnly: true),
            ]
            config.mounts = [
                .init(tag: "m0", guestPath: directory + "/mnt/it's", readOnly: false),
                .init(tag: "files", subPath: "0/key", guestPath: directory + "/mnt/key", readOnly: true),
            ]
            config.main.command = [
                "sh", "-c",
                """
                cd \(directory); rm from/pipe
                diff -r --no-dereference from "mnt/it's" && echo same
                sh "mnt/it's/sub/run"; readlink "mnt/it's/sub/out"; stat -c '%a %U' "mnt/it's" "mnt/it's/sub/run"
                cat mnt/key; (echo x > mnt/key) 2>/dev/null || echo protected
                echo mine > "mnt/it's/mine"; [ -e from/mine ] || echo stays
                exec sleep 600
                """,
            ]
        } _: { host, directory in
            try await host.connected()
            try await eventually("the command has looked", within: .seconds(60)) {
                try host.logLines().contains("stdout F stays")
            }
            #expect(
                try host.logLines().map { $0.replacing("stdout F ", with: "") } == [
                    "same", "ran", "/etc/shadow", "1777 root", "755 root", "key", "protected", "stays",
                ])
            let notices = try #require(try await host.client.hello().status.notices)
            #expect(notices.map(\.reason) == ["MountCopied", "MountCopied"])
            #expect(notices[0].message.hasPrefix("\(directory)/mnt/it's: "))
            #expect(notices[0].message.contains("stays in the guest") && notices[0].message.contains("1 sockets"))
            #expect(!notices[1].message.contains("stays in the guest"))
            try await host.client.stop(graceSeconds: 0)
        }
    }

    @Test("a source that is exchanged as a whole is copied again, and never seen half")
    func exchanged() async throws {
        func write(_ version: Int, _ names: [String], in directory: String) throws {
            let files = FileManager.default
            let data = "..version-\(version)"
            try files.createDirectory(atPath: "\(directory)/\(data)", withIntermediateDirectories: true)
            for name in names {
                try "\(version)".write(toFile: "\(directory)/\(data)/\(name)", atomically: false, encoding: .utf8)
                if !files.fileExists(atPath: "\(directory)/\(name)") {
                    symlink("..data/\(name)", "\(directory)/\(name)")
                }
            }
            let before = try? files.destinationOfSymbolicLink(atPath: directory + "/..data")
            symlink(data, directory + "/..data_tmp")
            rename(directory + "/..data_tmp", directory + "/..data")
            for name in try files.contentsOfDirectory(atPath: directory) where !name.hasPrefix("..") {
                if !names.contains(name) { unlink("\(directory)/\(name)") }
            }
            if let before { try files.removeItem(atPath: "\(directory)/\(before)") }
        }
        try await withHost { config, directory in
            try FileManager.default.createDirectory(atPath: directory + "/mnt", withIntermediateDirectories: true)
            try write(0, ["a", "b", "old"], in: directory + "/from")
            config.shares = [.init(tag: "m0", source: directory + "/from", readOnly: true)]
            config.mounts = [.init(tag: "m0", guestPath: directory + "/mnt/config", readOnly: true)]
            // Both keys are read through one look at the link: they are of one version.
            config.main.command = [
                "sh", "-c",
                """
                cd \(directory)/mnt/config
                while :; do
                    now=$(readlink ..data)
                    # Gone at the second look: it was exchanged in between.
                    a=$(cat a 2>/dev/null) || { [ -L ..data ] && [ "$now" != "$(readlink ..data)" ] || echo lost; }
                done
                """,
            ]
        } _: { host, directory in
            try await host.reached()
            #expect(try await exec(host, "cd \(directory)/mnt/config; cat a b old") == "000")
            for version in 1...4 {
                try write(version, version % 2 == 1 ? ["a", "b", "new"] : ["a", "b"], in: directory + "/from")
                let seen = version % 2 == 1 ? "\(version)\(version) a b new " : "\(version)\(version) a b "
                try await eventually("version \(version) is there", within: .seconds(60)) {
                    try await exec(host, "cd \(directory)/mnt/config; cat a b; echo '' *; echo").contains(
                        seen.trimmingCharacters(in: .whitespaces) + "\n")
                }
                try await eventually("nothing else is left", within: .seconds(60)) {
                    let all = try await exec(host, "cd \(directory)/mnt/config; ls -A | LC_ALL=C sort | tr '\\n' ' '")
                    return all == "..data ..version-\(version) " + seen.dropFirst(3)
                }
            }
            let lines = try host.logLines()
            #expect(lines.isEmpty, "\(lines)")
            try await host.client.stop(graceSeconds: 0)
        }
    }

    @Test("without tar it does not start, and the reason says so")
    func noTar() async throws {
        try await withHost(preparing: "mount -o bind /dev/null $(readlink -f $(command -v tar))") { config, directory in
            try FileManager.default.createDirectory(atPath: directory + "/from", withIntermediateDirectories: true)
            config.shares = [.init(tag: "m0", source: directory + "/from", readOnly: true)]
            config.mounts = [.init(tag: "m0", guestPath: directory + "/mnt", readOnly: true)]
            config.main.command = ["true"]
        } _: { host, _ in
            try await host.ended()
            let record = try host.record()
            #expect(record.reason == "StartError", "\(record)")
            #expect(record.message.contains("could not be copied into the guest"), "\(record.message)")
            #expect(record.message.contains("tar"), "\(record.message)")
        }
    }
}
