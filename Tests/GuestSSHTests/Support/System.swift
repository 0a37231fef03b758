import Foundation
import Support

/// Ports of the loopback.
enum FreePort {
    struct Failure: Error {}

    static func find() throws -> Int {
        let (descriptor, port) = try listen()
        close(descriptor)
        return port
    }

    /// A listening socket nobody accepts on.
    static func listen(backlog: Int32 = 16) throws -> (descriptor: Int32, port: Int) {
        let descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { throw Failure() }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = loopback(0)
        var size = socklen_t(MemoryLayout<sockaddr_in>.size)
        let bound = withUnsafeMutablePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, size) == 0 && Foundation.listen(descriptor, backlog) == 0
                    && getsockname(descriptor, $0, &size) == 0
            }
        }
        guard bound else {
            close(descriptor)
            throw Failure()
        }
        return (descriptor, Int(UInt16(bigEndian: address.sin_port)))
    }

    static func accepts(_ port: Int) -> Bool {
        guard let descriptor = connect(port) else { return false }
        close(descriptor)
        return true
    }

    /// A connected socket, blocking.
    static func connect(_ port: Int) -> Int32? {
        let descriptor = socket(AF_INET, stream, 0)
        guard descriptor >= 0 else { return nil }
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        var address = loopback(port)
        let connected = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Foundation.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
            }
        }
        if connected { return descriptor }
        close(descriptor)
        return nil
    }

    private static func loopback(_ port: Int) -> sockaddr_in {
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = UInt16(port).bigEndian
        address.sin_addr.s_addr = UInt32(0x7f00_0001).bigEndian
        return address
    }

    #if canImport(Glibc)
    private static let stream = Int32(SOCK_STREAM.rawValue)
    #else
    private static let stream = SOCK_STREAM
    #endif
}

/// The processes of this machine.
enum ProcessTable {
    private static func all() -> [(id: Int32, parent: Int32, state: String)] {
        guard let ps = try? ChildProcess("/bin/ps", ["-A", "-o", "pid=,ppid=,stat="]) else { return [] }
        return ps.waitBlocking().output.split(separator: "\n").compactMap { line in
            let fields = line.split(separator: " ")
            guard fields.count == 3, let id = Int32(fields[0]), let parent = Int32(fields[1]) else { return nil }
            return (id, parent, String(fields[2]))
        }
    }

    /// With the root first.
    static func descendants(of root: Int32) -> [Int32] {
        let all = all()
        var found = [root]
        var index = 0
        while index < found.count {
            let parent = found[index]
            found += all.filter { $0.parent == parent }.map(\.id)
            index += 1
        }
        return found
    }

    static func isAlive(_ id: Int32) -> Bool { !alive([id]).isEmpty }

    /// Those that have not ended; one that nobody has waited for yet has.
    static func alive(_ ids: [Int32]) -> [Int32] {
        let candidates = ids.filter { kill($0, 0) == 0 }
        guard !candidates.isEmpty else { return [] }
        let living = Set(all().filter { !$0.state.hasPrefix("Z") }.map(\.id))
        return candidates.filter(living.contains)
    }

    static var threads: Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/task").count) ?? 0
    }
}

/// What this host lets pass.
enum PacketFilter {
    static let isUsable =
        getuid() == 0
        && ["/usr/sbin/iptables", "/sbin/iptables"].contains { FileManager.default.isExecutableFile(atPath: $0) }

    /// Drops what goes to a port of this host's loopback device, both ways, while `body` runs.
    static func swallowing(port: Int, _ body: () async throws -> Void) async throws {
        let rules = ["--dport", "--sport"].map { ["INPUT", "-i", "lo", "-p", "tcp", $0, "\(port)", "-j", "DROP"] }
        func change(_ verb: String) async throws {
            for rule in rules {
                let outcome = try await ChildProcess.run(
                    "/bin/sh", ["-c", "PATH=$PATH:/usr/sbin:/sbin; exec iptables --wait 10 \"$@\"", "sh", verb] + rule)
                guard outcome.code == 0 else { throw SSHServer.Failure(description: outcome.errors) }
            }
        }
        try await change("-A")
        do {
            try await body()
        } catch {
            try await change("-D")
            throw error
        }
        try await change("-D")
    }
}
