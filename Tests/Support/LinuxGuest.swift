import Foundation

/// The guest of `examples/linux-guest`, made once for each checkout and read by every test that boots one. Its files are
/// shared: give a machine a clone of ``disk``, never the disk.
public struct LinuxGuest: Sendable {
    public enum SSHServer: String, Sendable, CaseIterable { case dropbear, openssh }

    public let directory: String
    public let kernel: String
    public let initrd: String
    /// 64 MiB, raw, an ext4 file system; `/data` in the guest.
    public let disk: String
    public let commandLine: String
    public let user: String
    /// ed25519, without a passphrase.
    public let privateKeyFile: String
    /// What the console says once the SSH server is about to listen.
    public static let readyLine = "linux-guest: ready"

    /// Whether one can be made and booted here. In CI it always is: what is missing there is a failure.
    public static let canRun: Bool = {
        if ProcessInfo.processInfo.environment["CI"] == "true" { return true }
        #if arch(arm64)
        let emulator = "qemu-system-aarch64"
        #else
        let emulator = "qemu-system-x86_64"
        #endif
        return isInstalled(emulator) && (isInstalled("apt-get") || isInstalled("docker"))
    }()

    /// Makes it, or finds it made: a test may call this as often as it likes.
    public static func made(_ server: SSHServer = .dropbear) async throws -> LinuxGuest {
        switch server {
        case .dropbear: try await dropbear.value
        case .openssh: try await openssh.value
        }
    }

    private static let dropbear = Task { try await make(.dropbear) }
    private static let openssh = Task { try await make(.openssh) }

    private struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    private struct Description: Decodable {
        let kernel: String
        let initrd: String
        let disk: String
        let commandLine: String
        let user: String
    }

    private static func make(_ server: SSHServer) async throws -> LinuxGuest {
        let checkout = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent()
        let script = checkout.appending(path: "examples/linux-guest/build.sh").path
        let output = checkout.appending(path: ".build/linux-guest-\(server.rawValue)").path
        let outcome = try await ChildProcess.run(script, ["--sshd", server.rawValue, output], limit: .seconds(600))
        guard outcome.code == 0 else {
            throw Failure(description: "\(script) failed with \(outcome.code): \(outcome.errors.suffix(2000))")
        }
        let text = try Data(contentsOf: URL(filePath: output + "/guest.json"))
        let guest = try JSONDecoder().decode(Description.self, from: text)
        return LinuxGuest(
            directory: output, kernel: "\(output)/\(guest.kernel)", initrd: "\(output)/\(guest.initrd)",
            disk: "\(output)/\(guest.disk)", commandLine: guest.commandLine, user: guest.user,
            privateKeyFile: output + "/id_ed25519")
    }

    private static func isInstalled(_ program: String) -> Bool {
        let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
        return path.split(separator: ":").contains { FileManager.default.isExecutableFile(atPath: "\($0)/\(program)") }
    }
}
