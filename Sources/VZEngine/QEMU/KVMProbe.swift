import FoundationEssentials
import HostFiles
import Logging
import NIOPosix
import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Whether this host can run guests by KVM. A device file does not say so: on some hosts it is there and stock kernels
/// loop or die on it. So a program of a few instructions that every 64-bit kernel needs is run as a guest; only one
/// that got to its end counts. Done once per start of the host.
public enum KVMProbe {
    struct Outcome: Codable, Sendable, Hashable {
        var bootID: String
        var emulator: String
        var isUsable: Bool
        var reason: String
        /// Seconds since 1970 after which it is tried again; nil holds until the host restarts.
        var expires: Int64?
    }

    /// Where the outcome is kept unless configured: gone with the host's next start.
    public static var defaultFile: String? {
        if geteuid() == 0 { return "/run/vz-cri/kvm-probe.json" }
        return getenv("XDG_RUNTIME_DIR").map { String(cString: $0) + "/vz-cri/kvm-probe.json" }
    }

    private static let deadline = Duration.seconds(5)

    /// Also true when a busy host made the probe late: then it is tried again some minutes later.
    static func isUsable(
        emulator: String, platform: QEMUPlatform = .current, file: String?, device: String = "/dev/kvm", logger: Logger
    ) async -> Bool {
        guard access(device, R_OK | W_OK) == 0 else { return false }
        if let file, let known = await read(file, emulator: emulator, logger: logger) { return known.isUsable }
        let outcome = await run(emulator: emulator, accelerator: "kvm", platform: platform)
        logger.info(
            "KVM was tried",
            metadata: ["usable": "\(outcome.isUsable)", "reason": "\(outcome.reason)", "emulator": "\(emulator)"])
        if let file { await write(outcome, to: file, logger: logger) }
        return outcome.isUsable
    }

    private static func read(_ file: String, emulator: String, logger: Logger) async -> Outcome? {
        do {
            let bytes = try await NIOThreadPool.singleton.runIfActive { () -> [UInt8]? in
                access(file, F_OK) == 0 ? try SystemFile.read(file) : nil
            }
            guard let bytes else { return nil }
            let outcome = try JSONDecoder().decode(Outcome.self, from: Data(bytes))
            let bootID = ProcessIdentity.of(getpid())?.bootID
            guard outcome.bootID == bootID, outcome.emulator == emulator else { return nil }
            if let expires = outcome.expires, Int64(time(nil)) >= expires { return nil }
            return outcome
        } catch {
            logger.warning(
                "the outcome of the KVM probe is tried anew", metadata: ["file": "\(file)", "error": "\(error)"])
            return nil
        }
    }

    private static func write(_ outcome: Outcome, to file: String, logger: Logger) async {
        do {
            let bytes = Array(try JSONEncoder().encode(outcome))
            try await NIOThreadPool.singleton.runIfActive {
                if let slash = file.lastIndex(of: "/") { try Directories.make(String(file[..<slash]), mode: 0o700) }
                try AtomicFile.write(bytes, to: file, mode: 0o600)
            }
        } catch {
            // It is only tried again next time.
            logger.warning(
                "the outcome of the KVM probe is not kept", metadata: ["file": "\(file)", "error": "\(error)"])
        }
    }

    /// Runs the program as a guest.
    static func run(emulator: String, accelerator: String, platform: QEMUPlatform) async -> Outcome {
        var outcome = Outcome(
            bootID: ProcessIdentity.of(getpid())?.bootID ?? "", emulator: emulator, isUsable: false, reason: "")
        do {
            let payload = KVMProbePayload(platform.architecture)
            let end = try await withPayload(payload.bytes) { path in
                try await Command.run(
                    emulator, payload.arguments(path, accelerator: accelerator), deadline: deadline, limit: 4096)
            }
            outcome.isUsable = end.end == .exited(code: payload.success)
            let words = end.errorText.split(whereSeparator: \.isNewline).joined(separator: "; ")
            outcome.reason =
                outcome.isUsable ? "a guest ran to its end" : "the guest ended with \(end.end): \(words)"
        } catch {
            outcome.reason = "\(error)"
            // Too late may mean too busy.
            outcome.expires = Int64(time(nil)) + 600
        }
        return outcome
    }

    private static func withPayload<R: Sendable>(_ bytes: [UInt8], _ body: (String) async throws -> R) async throws -> R
    {
        let directory = getenv("TMPDIR").map { String(cString: $0) } ?? "/tmp"
        let path = "\(directory)/vzcri-kvm-\(getpid())-\(UInt32.random(in: 0...UInt32.max))"
        try await NIOThreadPool.singleton.runIfActive { try AtomicFile.write(bytes, to: path, mode: 0o600) }
        defer { unlink(path) }
        return try await body(path)
    }
}
