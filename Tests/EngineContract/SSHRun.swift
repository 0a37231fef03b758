import NIOConcurrencyHelpers
import NIOCore
import Processes
public import VZEngine

/// A machine whose guest is `examples/linux-guest`, reached by ssh.
public final class SSHRun: ContractRun {
    public struct Failed: Error, CustomStringConvertible { public let description: String }

    public let machine: any Machine
    public let greeting: String
    private let credentials: MachineConfig.Credentials
    private let said = NIOLockedValueBox("")
    private let reader: Task<Void, Never>
    private let panic: String

    /// - Parameter panic: a command that makes its kernel give up.
    public init(
        _ machine: any Machine, _ credentials: MachineConfig.Credentials, greeting: String,
        panic: String = "echo c >/proc/sysrq-trigger"
    ) {
        (self.machine, self.credentials, self.greeting, self.panic) = (machine, credentials, greeting, panic)
        let (said, console) = (said, machine.console)
        reader = Task { for await bytes in console { said.withLockedValue { $0 += String(buffer: bytes) } } }
    }

    public func wholeConsole() async -> String {
        await reader.value
        return said.withLockedValue { $0 }
    }

    /// Runs a command in the guest, waiting for it to boot.
    @discardableResult
    private func ssh(_ command: String, limit: Duration = .seconds(180)) async throws -> String {
        let address = try await machine.guestAddress()
        let end = ContinuousClock.now + limit
        var last = ""
        while ContinuousClock.now < end {
            do {
                let result = try await Command.run(
                    "ssh",
                    [
                        "-F", "/dev/null", "-i", credentials.keyFile ?? "", "-p", "\(address.port)", "-o",
                        "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR", "-o",
                        "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o", "BatchMode=yes",
                        "\(credentials.user)@\(address.host)", command,
                    ], deadline: .seconds(60))
                if result.end.isSuccess { return result.text }
                last = "\(result.end) \(result.errorText)"
                // 255 is ssh's own: the guest is not there yet.
                guard result.end == .exited(code: 255) else { break }
            } catch let error as ProcessError where error.code == .deadline {
                // Connected to a guest that went away meanwhile.
                last = "\(error)"
            }
            try await Task.sleep(for: .milliseconds(200))
        }
        throw Failed(description: "\(command): \(last) console: \(said.withLockedValue { $0 })")
    }

    public func booted() async throws { try await ssh("true") }

    /// A moment after this connection has ended.
    public func perform(_ deed: Deed) async throws {
        let command =
            switch deed {
            case .powerOff: "poweroff -f"
            case .panic: panic
            case .restart: "reboot -f"
            }
        let boot = try await boot()
        try await ssh("(usleep 300000; \(command)) >/dev/null 2>&1 </dev/null &")
        guard case .restart = deed else { return }
        // Not every engine tells: what comes next is for the guest that comes next.
        while try await self.boot() == boot { try await Task.sleep(for: .milliseconds(100)) }
    }

    private func boot() async throws -> String { try await ssh("cat /proc/sys/kernel/random/boot_id") }

    public func remember(_ text: String) async throws { try await ssh("echo '\(text)' >/tmp/remembered") }

    public func recall() async throws -> String {
        String(try await ssh("cat /tmp/remembered").prefix { !$0.isNewline })
    }

    public func read(_ file: String, ofShare tag: String) async throws -> String {
        try await ssh("\(mounted(tag)) && cat /mnt/\(tag)/\(file)")
    }

    public func write(_ text: String, to file: String, ofShare tag: String) async throws -> Bool {
        try await ssh(
            "\(mounted(tag)) || exit 9; printf '\(text)' 2>/dev/null >/mnt/\(tag)/\(file) && echo written; true"
        )
        .contains("written")
    }

    private func mounted(_ tag: String) -> String {
        "{ mkdir -p /mnt/\(tag); grep -q ' /mnt/\(tag) ' /proc/mounts || mount -t virtiofs \(tag) /mnt/\(tag); }"
    }
}
