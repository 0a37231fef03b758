import Foundation
import Logging
import Processes
import Support
import Testing

@testable import CRIShim

/// Real pod networks of an instance of their own, gone when the body returns, and what the system shows of them.
final class NetworkHarness: Sendable {
    static let isPossible = NetworkNamespace.isPossible || ProcessInfo.processInfo.environment["CI"] != nil
    static let skipReason: Comment =
        "skipped, because this user may not make network namespaces (run scripts/test as root)"

    let directory: String
    let instance = Identifiers.hex(32)
    let settings: NetworkSettings
    var mark: String { String(instance.prefix(8)) }

    private init(_ directory: String, _ settings: NetworkSettings) {
        self.directory = directory
        self.settings = settings
    }

    static func with(
        settings: NetworkSettings = .init(), _ body: @Sendable (NetworkHarness) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let harness = NetworkHarness(directory, settings)
            do {
                try await body(harness)
            } catch {
                try await harness.networks().adopt(known: [])
                throw error
            }
            try await harness.networks().adopt(known: [])
            try await harness.expectNothingLeft()
        }
    }

    /// What a shim that starts now has.
    func networks() throws -> NamespacedNetworks {
        var logger = Logger(label: "network")
        logger.logLevel = .critical
        return try NamespacedNetworks(
            root: directory + "/root", state: directory + "/state", instance: instance, settings: settings,
            logger: logger)
    }

    func record(_ change: (inout SandboxRecord) -> Void = { _ in }) -> SandboxRecord { Self.sandbox(change) }

    static func sandbox(_ change: (inout SandboxRecord) -> Void) -> SandboxRecord {
        var record = SandboxRecord()
        record.id = Identifiers.sandbox()
        record.metadata = .init(name: "web", namespace: "default", uid: "u1", attempt: 0)
        change(&record)
        return record
    }

    /// A port of the host that nobody has, below those that outgoing connections take.
    static func freePort() async throws -> Int {
        for _ in 0..<50 {
            if let server = try? await GreetingServer(in: nil, port: .random(in: 20000..<32000)) { return server.port }
        }
        throw Peer.Failure("finding a free port")
    }

    static func port(_ pod: Int32, host: Int, ip: String = "", transport: Int32 = 0) -> SandboxRecord.PortMapping {
        .init(protocol: transport, containerPort: pod, hostPort: Int32(host), hostIP: ip)
    }

    /// Everything of this instance that the system has: devices, mounts, rules, files.
    func traces() async throws -> [String] {
        let devices = try FileManager.default.contentsOfDirectory(atPath: "/sys/class/net").filter {
            $0.contains(mark) || $0.hasPrefix("v" + mark.prefix(6))
        }
        let mounts = try String(contentsOfFile: "/proc/self/mountinfo", encoding: .utf8).split(separator: "\n").filter {
            $0.contains(directory + "/")
        }
        let rules = try await SystemNetwork.savedRules().split(separator: "\n").filter { $0.contains(mark) }
        var files: [String] = []
        for folder in ["root/network/pods", "state/netns"] {
            files += try RootDirectory.entries(of: directory + "/" + folder).map { folder + "/" + $0 }
        }
        return devices + mounts.map(String.init) + rules.map(String.init) + files
    }

    func expectNothingLeft(sourceLocation: SourceLocation = #_sourceLocation) async throws {
        let left = try await traces()
        #expect(left == [], sourceLocation: sourceLocation)
    }
}

/// A server that says who is connected and closes.
final class GreetingServer: Sendable {
    let port: Int
    private let descriptor: Int32

    /// - Parameter namespace: where it listens; nil is the host's.
    init(in namespace: String?, port: Int = 0, address: String = "0.0.0.0") async throws {
        let open: @Sendable () throws -> Int32 = {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, 4)
            let result = try Peer.withAddress(address, port) { bind(descriptor, $0, $1) }
            guard result == 0, listen(descriptor, 16) == 0 else { throw Peer.Failure("listening") }
            return descriptor
        }
        let descriptor =
            if let namespace { try await NetworkNamespace.run(in: namespace, open) } else { try open() }
        self.descriptor = descriptor
        self.port = Int(Peer.name(descriptor, getsockname).split(separator: ":")[1])!
        Thread.detachNewThread {
            while true {
                let client = accept(descriptor, nil, nil)
                if client < 0 { return }
                let text = Array(Peer.name(client, getpeername).split(separator: ":")[0].utf8)
                _ = send(client, text, text.count, Int32(MSG_NOSIGNAL))
                close(client)
            }
        }
    }

    deinit {
        shutdown(descriptor, Int32(SHUT_RDWR))
        close(descriptor)
    }
}

enum Peer {
    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ what: String) { description = "\(what): \(String(cString: strerror(errno)))" }
    }

    /// Connects and reads what a ``GreetingServer`` says: the address it sees.
    static func greeting(from address: String, _ port: Int, in namespace: String?) async throws -> String {
        let ask: @Sendable () throws -> String = {
            let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var limit = timeval(tv_sec: 5, tv_usec: 0)
            for option in [SO_SNDTIMEO, SO_RCVTIMEO] {
                setsockopt(descriptor, SOL_SOCKET, option, &limit, socklen_t(MemoryLayout<timeval>.size))
            }
            guard try withAddress(address, port, { connect(descriptor, $0, $1) }) == 0 else {
                throw Failure("connecting to \(address):\(port)")
            }
            var buffer = [UInt8](repeating: 0, count: 64)
            let count = recv(descriptor, &buffer, buffer.count, 0)
            guard count >= 0 else { throw Failure("reading from \(address):\(port)") }
            return String(decoding: buffer.prefix(count), as: UTF8.self)
        }
        return try await NetworkNamespace.run(in: namespace ?? "/proc/self/ns/net", ask)
    }

    static func withAddress(
        _ address: String, _ port: Int, _ body: (UnsafePointer<sockaddr>, socklen_t) -> Int32
    ) throws -> Int32 {
        var name = sockaddr_in()
        name.sin_family = sa_family_t(AF_INET)
        name.sin_port = in_port_t(port).bigEndian
        guard inet_pton(AF_INET, address, &name.sin_addr) == 1 else { throw Failure("reading \(address)") }
        return withUnsafePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                body($0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
    }

    static func name(
        _ descriptor: Int32, _ ask: (Int32, UnsafeMutablePointer<sockaddr>, UnsafeMutablePointer<socklen_t>) -> Int32
    ) -> String {
        var name = sockaddr_in()
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        _ = withUnsafeMutablePointer(to: &name) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { ask(descriptor, $0, &length) }
        }
        return "\(IPv4Address(UInt32(bigEndian: name.sin_addr.s_addr))):\(in_port_t(bigEndian: name.sin_port))"
    }
}
