import Logging
import NIOCore
import NIOPosix
import Processes
public import Sockets
public import TLS
import VZEngine

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The host this program runs on.
public struct ThisHost: Host {
    let group: any EventLoopGroup = MultiThreadedEventLoopGroup.singleton
    let logger = Logger(label: "doctor") { _ in SwiftLogNoOpLogHandler() }

    /// What a program may take.
    private static let programLimit = Duration.seconds(10)
    private static let connectLimit = TimeAmount.seconds(4)

    /// For a Docker Engine that is reached over TLS.
    let dockerTLS: TLSContext?

    public init(dockerTLS: TLSContext? = nil) { self.dockerTLS = dockerTLS }

    public var architecture: String {
        #if arch(arm64)
        "arm64"
        #else
        "x86_64"
        #endif
    }

    public var userID: UInt32 { geteuid() }
    public var environment: [String: String] { ProcessInfo.processInfo.environment }
    public var now: Int64 { Int64(time(nil)) }

    public var qemu: QEMUFacts {
        QEMUFacts(
            emulator: QEMUNeeds.emulator, firmware: QEMUNeeds.firmware.map { [$0.code, $0.variables] },
            shareServers: QEMUNeeds.shareServers)
    }

    // MARK: Files

    /// Does what may block.
    func offload<R: Sendable>(_ body: @escaping @Sendable () -> R) async -> R? {
        // Fails only when the process ends.
        try? await NIOThreadPool.singleton.runIfActive(body)
    }

    public func look(at path: String) async -> FileFacts? {
        await offload {
            var status = stat()
            guard stat(path, &status) == 0 else { return nil }
            let kind: FileFacts.Kind =
                switch status.st_mode & S_IFMT {
                case S_IFREG: .file
                case S_IFDIR: .directory
                case S_IFSOCK: .socket
                default: .other
                }
            return FileFacts(kind, mode: UInt32(status.st_mode & 0o7777), owner: status.st_uid)
        } ?? nil
    }

    public func text(of path: String) async -> String? {
        await offload {
            let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
            guard descriptor >= 0 else { return nil }
            defer { close(descriptor) }
            var bytes: [UInt8] = []
            var buffer = [UInt8](repeating: 0, count: 65536)
            while bytes.count < 1 << 20 {
                let count = read(descriptor, &buffer, buffer.count)
                if count < 0, errno == EINTR { continue }
                guard count >= 0 else { return nil }
                guard count > 0 else { break }
                bytes += buffer.prefix(count)
            }
            return String(decoding: bytes, as: UTF8.self)
        } ?? nil
    }

    public func names(in directory: String) async -> [String]? {
        await offload {
            guard let handle = opendir(directory) else { return nil }
            defer { closedir(handle) }
            var names: [String] = []
            while let entry = readdir(handle) {
                let name = withUnsafePointer(to: &entry.pointee.d_name) {
                    $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
                }
                if name != ".", name != ".." { names.append(name) }
            }
            return names.sorted()
        } ?? nil
    }

    public func may(_ wanted: FileAccess, _ path: String) async -> Bool {
        await offload {
            let mode =
                switch wanted {
                case .read: R_OK
                case .write: W_OK
                case .execute: X_OK
                }
            return access(path, mode) == 0
        } ?? false
    }

    public func space(at directory: String) async -> Space? {
        await offload {
            var status = statvfs()
            guard statvfs(directory, &status) == 0 else { return nil }
            let block = UInt64(status.f_frsize)
            return Space(
                freeBytes: UInt64(status.f_bavail) * block, totalBytes: UInt64(status.f_blocks) * block)
        } ?? nil
    }

    public func tryClone(in directory: String) async -> TrialOutcome {
        let base = "\(directory)/.vz-cri-doctor-\(UInt32.random(in: 0...UInt32.max))"
        let written = await offload { write(String(repeating: "doctor", count: 4096), to: base) }
        if let problem = written ?? "the program ends" { return .unknown(problem) }
        defer {
            unlink(base)
            unlink(base + ".clone")
        }
        do {
            _ = try await DiskClone.make(of: base, format: .raw, at: base + ".clone", method: .reflink)
            return .works
        } catch {
            return .doesNotWork("\(error)")
        }
    }

    // MARK: Programs

    public func run(_ program: String, _ arguments: [String]) async -> ProgramOutcome {
        var environment = self.environment
        // Words are looked for in what programs say.
        environment["LC_ALL"] = "C"
        do {
            let result = try await Command.run(
                program, arguments, environment: environment, deadline: Self.programLimit)
            switch result.end {
            case .exited(let code): return .ended(code: code, output: result.text, errors: result.errorText)
            default: return .failed("it ended with \(result.end)")
            }
        } catch let error as ProcessError where error.code == .notFound {
            return .missing
        } catch {
            return .failed("\(error)")
        }
    }

    public func tryKVM() async -> TrialOutcome {
        if case .missing = await run(qemu.emulator, ["--version"]) { return .unknown("there is no \(qemu.emulator)") }
        let (isUsable, reason) = await QEMUNeeds.tryKVM()
        return isUsable ? .works : .doesNotWork(reason)
    }

    // MARK: Sockets

    public func connect(to endpoint: Endpoint) async -> ConnectOutcome {
        let bootstrap = ClientBootstrap(group: group).connectTimeout(Self.connectLimit)
        do {
            let channel =
                switch endpoint {
                case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
                case .tcp(let host, let port): try await bootstrap.connect(host: host, port: port).get()
                }
            channel.close(promise: nil)
            return .connected
        } catch let error as NIOConnectionError {
            return Self.outcome(of: error.connectionErrors.first?.error ?? error)
        } catch {
            return Self.outcome(of: error)
        }
    }

    private static func outcome(of error: any Error) -> ConnectOutcome {
        if case ChannelError.connectTimeout = error { return .late }
        guard let error = error as? IOError else { return .failed("\(error)") }
        switch error.errnoCode {
        case ECONNREFUSED: return .refused
        case ENOENT: return .absent
        case EHOSTUNREACH, ENETUNREACH, EHOSTDOWN: return .unreachable
        case ETIMEDOUT: return .late
        default: return .failed(String(cString: strerror(error.errnoCode)))
        }
    }

    public func listen(on host: String, port: Int) async -> ListenOutcome {
        do {
            let channel = try await ServerBootstrap(group: group)
                .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
                .bind(host: host, port: port).get()
            try await channel.close()
            return .free
        } catch let error as IOError where error.errnoCode == EADDRINUSE {
            return .taken
        } catch let error as IOError {
            return .failed(String(cString: strerror(error.errnoCode)))
        } catch {
            return .failed("\(error)")
        }
    }
}

/// - Returns: why it could not be written; nil when it was.
func write(_ text: String, to path: String) -> String? {
    let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { return "making \(path) failed: \(String(cString: strerror(errno)))" }
    defer { close(descriptor) }
    let bytes = Array(text.utf8)
    guard write(descriptor, bytes, bytes.count) == bytes.count else {
        defer { unlink(path) }
        return "writing \(path) failed: \(String(cString: strerror(errno)))"
    }
    return nil
}
