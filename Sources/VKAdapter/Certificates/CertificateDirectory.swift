import HostFiles
import KubeAPI
import NIOPosix
import TLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Certificates of one purpose as the kubelet keeps them: each with its key in a file with a date in its name (0600), and
/// a link `PREFIX-current.pem` to the one that counts.
struct CertificateDirectory: Sendable {
    let path: String
    /// `kubelet-client` or `kubelet-server`.
    let prefix: String
    var pool: NIOThreadPool = .singleton

    /// Certificate and key.
    var current: String { "\(path)/\(prefix)-current.pem" }

    /// - Returns: `nil` when there is none that can be used; why not is of no use to anybody but the log.
    func facts() async -> (facts: CertificateFacts?, problem: String?) {
        do {
            let found = try await pool.runIfActive { () throws -> CertificateFacts? in
                guard let pem = try SmallFile.read(current) else { return nil }
                return try CertificateFacts(certificate: pem, key: pem)
            }
            return (found, nil)
        } catch {
            return (nil, "\(current) cannot be used: \(error)")
        }
    }

    /// Makes a certificate the current one.
    func keep(certificate: [UInt8], key: [UInt8], now: Timestamp) async throws {
        do {
            try await pool.runIfActive {
                try SystemCall.makeDirectories(path, mode: 0o700)
                let name = "\(prefix)-\(Self.date(now)).pem"
                let separator: [UInt8] = certificate.last == 0x0A ? [] : [0x0A]
                try AtomicFile.write(certificate + separator + key, to: "\(path)/\(name)", mode: 0o600)
                let aside = "\(current).\(getpid()).tmp"
                unlink(aside)
                guard symlink(name, aside) == 0, rename(aside, current) == 0 else {
                    throw SystemCall.failure("make the link", current)
                }
            }
        } catch {
            throw AdapterError(.failed, "cannot keep a new certificate in \(path)", cause: error)
        }
    }

    /// As the kubelet writes it: `2026-11-21-19-05-29`.
    static func date(_ time: Timestamp) -> String {
        String(time.description.prefix(19).map { $0 == "T" || $0 == ":" ? "-" : $0 })
    }
}
