import Foundation
import Proto
import Support
import Testing

/// What runs the machines of the contract: the shim and its clients are the same, and so is what they are promised.
enum ContractHost: String, Sendable, CaseIterable, CustomTestStringConvertible {
    /// QEMU with a real guest.
    case qemu
    /// Apple's engine over the double of its framework, whose guest is the same one's programs on this host's kernel.
    case apple

    /// What not every host can.
    enum Ability: Sendable {
        /// The guest's declared ports are reached at the pod's address.
        case podAddress
        /// A picture of the display.
        case screenshot
        /// A checkpoint goes on in another container.
        case restore
        /// The host itself runs only so many machines.
        case limit
    }

    /// What this one cannot, and why. It must be refused, or not happen; whatever does not stand here must work.
    var cannot: [Ability: String] {
        switch self {
        case .qemu: [.limit: "QEMU runs as many machines as there is memory for"]
        case .apple:
            [
                .podAddress: "a guest has an address of its own on the framework's network",
                .screenshot: "the framework draws in windows only",
                .restore: "a state goes on in the very machine it was saved of only, with its hardware address",
            ]
        }
    }

    func can(_ ability: Ability) -> Bool { cannot[ability] == nil }

    var testDescription: String {
        switch self {
        case .qemu: "QEMU, a real guest"
        case .apple: "the double of Virtualization.framework"
        }
    }

    static let canRun = MachineHost.canRun && LoopFileSystem.canRun
    static let skipReason: Comment =
        "skipped, because machines need root, loop devices, QEMU and Debian's packages for their guest (make deps)"

    // MARK: A shim

    /// Runs `body` with a shim that has the guest's image, and no Docker Engine; afterwards nothing is left.
    /// - Parameter settings: lines of the configuration's section `shim`.
    func with(
        server: LinuxGuest.SSHServer = .dropbear, settings: [String] = [], _ body: (ShimProcess) async throws -> Void
    ) async throws {
        func configuration(_ lines: [String]) -> String {
            lines.isEmpty ? "" : "shim:\n" + lines.map { "  \($0)\n" }.joined()
        }
        switch self {
        case .qemu: try await MachineHost.with(server: server, configuration: configuration(settings), body)
        case .apple:
            // Where clones are raw, as they are on APFS.
            try await LoopFileSystem.with(["mkfs.xfs", "-q"], size: 64 << 30) { place in
                let directory = place + "/s"
                try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
                let program = try await Self.supervisor(in: directory)
                try await MachineHost.with(
                    in: directory, server: server, configuration: configuration(["vmHost: \(program)"] + settings), body
                )
            }
        }
    }

    /// `vm-host` over a simulated Mac, which a test can have wishes for.
    private static func supervisor(in directory: String) async throws -> String {
        let path = directory + "/vm-host"
        let script = """
            #!/bin/sh
            VZCRI_SIMULATED_MAC=\(directory)/mac.json exec \(Programs.path("vm-host-double")) "$@"

            """
        // Not by this process: a child that another test has just forked would hold it open, and who is open for writing
        // cannot be run.
        let outcome = try await ChildProcess.run(
            "/usr/bin/install", ["-m", "755", "/dev/stdin", path], input: script)
        try #require(outcome.code == 0, "\(outcome.errors)")
        return path
    }

    /// With which of Apple's errors machines do not start from now on.
    static func failStarts(_ error: Int?, of shim: ShimProcess) throws {
        let text = error.map { "{\"startError\": \($0)}" } ?? "{}"
        try Data(text.utf8).write(to: URL(filePath: shim.directory + "/mac.json"))
    }

    // MARK: What a test does behind the shim's back

    /// What the command line of a process that runs a machine has.
    var mark: String {
        switch self {
        case .qemu: "qemu-system"
        case .apple: " machine power_on "
        }
    }

    /// What a machine that boots and runs a short command may take.
    var lifeMilliseconds: Int {
        switch self {
        case .qemu: 6000
        case .apple: 1500
        }
    }

    /// The process that runs a machine.
    func process(of machine: String, _ shim: ShimProcess) throws -> Int32 {
        let lines = try Leftovers.processes(below: "\(shim.directory)/state").filter {
            $0.contains(mark) && $0.contains(machine)
        }
        #expect(lines.count == 1, "\(lines)")
        return try #require(lines.first?.split(separator: " ").first.flatMap { Int32($0) })
    }

    static func supervisor(of machine: String, _ shim: ShimProcess) throws -> Int32 {
        let lines = try Leftovers.processes(below: "\(shim.directory)/state").filter {
            $0.contains("vm-host") && $0.contains(machine)
        }
        #expect(lines.count == 1, "\(lines)")
        return try #require(lines.first?.split(separator: " ").first.flatMap { Int32($0) })
    }

    /// A command in the guest that makes its kernel give up.
    var panic: String {
        switch self {
        case .qemu: "echo c >/proc/sysrq-trigger"
        // Its kernel is this host's.
        case .apple: "echo c >/.machine/panic"
        }
    }
}

extension ShimProcess {
    /// A command in the guest that must succeed.
    @discardableResult
    func run(_ script: String, in machine: String) async throws -> String {
        let answer = try await execute(machine, ["/bin/sh", "-c", script])
        #expect(answer.exitCode == 0, "\(script): \(answer.errorText)")
        return answer.text
    }
}
