import Foundation
import Logging
import NIOPosix
import Support
import Synchronization
import Testing
import VZEngine

@testable import CRIShim

/// Machines as `cri-shim vm` sees them: without the daemon.
@Suite struct MachineInventoryTests {
    private func inventory(_ bench: VMBench) -> MachineInventory {
        MachineInventory(
            root: bench.directory + "/r", state: bench.directory + "/s", group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
    }

    private func write(_ sandbox: SandboxEntry, in bench: VMBench) throws {
        let directory = bench.directory + "/r/sandboxes/\(sandbox.id)"
        try RootDirectory.makeDirectory(directory, mode: 0o700)
        try Data(RecordCoding.encode(sandbox.record)).write(to: URL(filePath: directory + "/config.json"))
    }

    @Test func `each machine is listed with its pod and how it is, and that without a shim`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox { $0.metadata = .init(name: "web", namespace: "ci", uid: "u") }
            try write(sandbox, in: bench)
            let created = try await bench.create(in: sandbox, name: "created")
            let running = try await bench.create(in: sandbox, name: "running")
            let done = try await bench.create(in: sandbox, name: "done")
            let lost = try await bench.create(in: sandbox, name: "lost")
            for id in [running, done, lost] { try await bench.start(id) }
            await bench.runtime.shutDown()
            try await bench.supervisor(done).end(code: 3, reason: "Error")
            try await bench.supervisor(lost).crash()
            let inventory = inventory(bench)
            try await eventually("the crash is seen") {
                try await inventory.list().first { $0.id == lost }?.state == .lost
            }
            let machines = try await inventory.list()
            #expect(machines.map(\.id) == [lost, done, running, created])
            let states = Dictionary(uniqueKeysWithValues: machines.map { ($0.container, $0.state) })
            #expect(states == ["created": .created, "running": .running, "done": .exited, "lost": .lost])
            let entry = try #require(machines.first { $0.id == running })
            #expect(entry.namespace == "ci" && entry.pod == "web" && entry.image == "localhost/guest:1")
            #expect(entry.address == "127.0.0.1:2222" && entry.isReachable == false && entry.cpus == 1)
            #expect(machines.first { $0.id == done }?.exitCode == 3)
        }
    }

    @Test func `a machine whose records are damaged is listed as that, and hides no other`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let good = try await bench.create(in: sandbox)
            let bad = try await bench.create(in: sandbox)
            try Data("{".utf8).write(to: URL(filePath: bench.directory + "/r/machines/\(bad)/config.json"))
            let machines = try await inventory(bench).list()
            #expect(machines.first { $0.id == bad }?.state == .unreadable)
            #expect(machines.first { $0.id == good }?.state == .created)
        }
    }

    @Test(arguments: ["config.json", "container.json"])
    func `a machine that lost a record is listed and names it; an empty directory is none`(lost: String) async throws {
        try await VMBench.with { bench in
            let bad = try await bench.create(in: bench.sandbox())
            let directory = bench.directory + "/r/machines/"
            try FileManager.default.removeItem(atPath: directory + bad + "/" + lost)
            try RootDirectory.makeDirectory(directory + Identifiers.hex(64), mode: 0o700)
            let machines = try await inventory(bench).list()
            #expect(machines.map(\.id) == [bad])
            #expect(machines.first?.state == .unreadable)
            #expect(machines.first?.message.contains(directory + bad + "/" + lost) == true)
        }
    }

    @Test func `no machines are no error`() async throws {
        try await VMBench.with { bench async throws in
            let machines = try await inventory(bench).list()
            #expect(machines.isEmpty)
        }
    }

    private func entry(_ id: String, _ names: [String], attempt: UInt32 = 0) -> MachineEntry {
        var entry = MachineEntry(id: id, console: "")
        (entry.namespace, entry.pod, entry.container) = (names[0], names[1], names[2])
        entry.attempt = attempt
        return entry
    }

    @Test func `a machine is found by its id, the beginning of that, or a name no other has`() throws {
        let machines = [
            entry("aa11", ["ci", "web", "vm"], attempt: 1), entry("aa22", ["ci", "web", "vm"]),
            entry("bb33", ["ci", "api", "vm"]), entry("cc44", ["ci", "api", "db"]),
        ]
        func find(_ query: String) throws -> String { try MachineInventory.find(query, among: machines).id }
        #expect(try find("aa22") == "aa22")
        #expect(try find("b") == "bb33")
        #expect(try find("db") == "cc44")
        #expect(try find("web/vm") == "aa11")
        #expect(try find("ci/api/vm") == "bb33")
        for (query, code) in [
            ("vm", ShimError.Code.invalidArgument), ("aa", .invalidArgument), ("zz", .notFound), ("", .notFound),
        ] {
            let error = #expect(throws: ShimError.self) { try find(query) }
            #expect(error?.code == code)
        }
    }

    // MARK: Console

    private final class Seen: Sendable {
        private let bytes = Mutex<[UInt8]>([])
        func add(_ more: [UInt8]) { bytes.withLock { $0 += more } }
        var text: String { String(decoding: bytes.withLock { $0 }, as: UTF8.self) }
    }

    private func append(_ text: String, to path: String) throws {
        if !FileManager.default.fileExists(atPath: path) { try Data().write(to: URL(filePath: path)) }
        let file = try FileHandle(forWritingTo: URL(filePath: path))
        try file.seekToEnd()
        try file.write(contentsOf: Data(text.utf8))
        try file.close()
    }

    @Test func `the console's last lines are shown, older ones out of the file that was set aside`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: try bench.sandbox())
            let inventory = inventory(bench)
            let machine = try await inventory.find(id)
            let none = Seen()
            try await MachineConsole(of: machine, in: inventory).copy(lines: 10, follow: false) { none.add($0) }
            #expect(none.text == "")
            try append("one\ntwo\n", to: machine.console + ".1")
            try append("three\nfour", to: machine.console)
            for (lines, expected) in [
                (nil, "one\ntwo\nthree\nfour"), (3, "two\nthree\nfour"), (1, "four"), (0, ""),
                (99, "one\ntwo\nthree\nfour"),
            ] {
                let seen = Seen()
                try await MachineConsole(of: machine, in: inventory).copy(lines: lines, follow: false) { seen.add($0) }
                #expect(seen.text == expected)
            }
        }
    }

    @Test func `a console is followed over its rotation until the machine has ended`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: try bench.sandbox())
            try await bench.start(id)
            let inventory = inventory(bench)
            let machine = try await inventory.find(id)
            try append("old\n", to: machine.console)
            let seen = Seen()
            let following = Task {
                try await MachineConsole(of: machine, in: inventory).copy(lines: 1, follow: true) { seen.add($0) }
            }
            try await eventually("the last line is shown") { seen.text == "old\n" }
            try append("more, and no end of line", to: machine.console)
            try await eventually("what comes is shown at once") { seen.text.hasSuffix("no end of line") }
            try append("\n", to: machine.console)
            try FileManager.default.moveItem(atPath: machine.console, toPath: machine.console + ".1")
            try append("new file\n", to: machine.console)
            try await eventually("the next file is read") { seen.text.hasSuffix("new file\n") }
            try append("last words\n", to: machine.console)
            try await bench.supervisor(id).end(code: 0)
            try await following.value
            #expect(seen.text == "old\nmore, and no end of line\nnew file\nlast words\n")
            // Kept until the container is removed.
            _ = try await bench.ended(id)
            #expect(FileManager.default.fileExists(atPath: machine.console))
            try await bench.remove(id)
            #expect(!FileManager.default.fileExists(atPath: machine.console))
        }
    }

    @Test func `a picture of a machine that cannot make one is a clear error`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: try bench.sandbox())
            try await bench.start(id)
            let inventory = inventory(bench)
            let machine = try await inventory.find(id)
            let error = await #expect(throws: ShimError.self) {
                try await inventory.screenshot(of: machine, to: bench.directory + "/p.png")
            }
            #expect(error?.code == .unsupported)
        }
    }
}
