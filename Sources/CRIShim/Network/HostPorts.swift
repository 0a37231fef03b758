import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Host ports that lead to pods. While this process runs it holds each of them by a socket nobody is served at, so that
/// no server of the host takes one unnoticed: packets are turned to the pod before they would come there.
///
/// The socket of a TCP port listens: one that is only bound, and passes over ended connections (`SO_REUSEADDR`), would
/// share its port with the next of its kind.
final class HostPorts: Sendable {
    private let held = Mutex<[String: [Int32]]>([:])

    /// The mappings of a sandbox that name a host port.
    /// - Throws: `invalidArgument`, `unsupported`.
    static func ports(of record: SandboxRecord) throws -> [PodNetwork.Port] {
        try record.ports.filter { $0.hostPort != 0 }.map { port in
            let transports: [PodNetwork.Port.Transport] = [.tcp, .udp, .sctp]
            guard transports.indices.contains(Int(port.protocol)) else {
                throw ShimError(.invalidArgument, "a port mapping has the unknown protocol \(port.protocol)")
            }
            guard (1...65535).contains(port.containerPort), (1...65535).contains(port.hostPort) else {
                throw ShimError(
                    .invalidArgument,
                    "port mapping \(port.hostPort) to \(port.containerPort) is out of range (1 to 65535)")
            }
            var address: IPv4Address?
            if !["", "0.0.0.0", "::"].contains(port.hostIP) {
                address = IPv4Address(port.hostIP)
                guard address != nil else {
                    throw ShimError(
                        .unsupported,
                        "host port \(port.hostPort) was asked for on \(port.hostIP): this network has IPv4 addresses only"
                    )
                }
            }
            return PodNetwork.Port(
                transport: transports[Int(port.protocol)], hostAddress: address, hostPort: Int(port.hostPort),
                podPort: Int(port.containerPort))
        }
    }

    /// How long a port that is taken is tried again: a program that is just being started may still have the descriptor
    /// of a port that was given back.
    private static let patience = Duration.milliseconds(500)

    /// - Throws: `alreadyExists` when one of them is taken; then none is held.
    func hold(_ ports: [PodNetwork.Port], for sandbox: String) async throws {
        let end = ContinuousClock.now + Self.patience
        while true {
            do {
                return try holdNow(ports, for: sandbox)
            } catch let error as ShimError where error.code == .alreadyExists {
                guard ContinuousClock.now < end else { throw error }
            }
            try await Task.sleep(for: .milliseconds(20))
        }
    }

    private func holdNow(_ ports: [PodNetwork.Port], for sandbox: String) throws {
        guard !ports.isEmpty, held.withLock({ $0[sandbox] }) == nil else { return }
        var descriptors: [Int32] = []
        do {
            for port in ports where port.transport != .sctp { descriptors.append(try Self.socket(port)) }
        } catch {
            for descriptor in descriptors { close(descriptor) }
            throw error
        }
        held.withLock { $0[sandbox] = descriptors }
    }

    func release(for sandbox: String) {
        let descriptors = held.withLock { $0.removeValue(forKey: sandbox) } ?? []
        for descriptor in descriptors { close(descriptor) }
    }

    deinit {
        held.withLock { for descriptor in $0.values.joined() { close(descriptor) } }
    }

    private static func socket(_ port: PodNetwork.Port) throws -> Int32 {
        let what = "host port \(port.hostPort)/\(port.transport)" + (port.hostAddress.map { " of \($0)" } ?? "")
        let descriptor = open(port.transport)
        guard descriptor >= 0 else { throw RootDirectory.failure("making a socket for \(what)", errno) }
        if port.transport == .tcp {
            // Connections that have ended keep a port for a minute: this passes over them, not over a server.
            var on: Int32 = 1
            setsockopt(descriptor, SOL_SOCKET, SO_REUSEADDR, &on, socklen_t(MemoryLayout<Int32>.size))
        }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_port = in_port_t(port.hostPort).bigEndian
        address.sin_addr.s_addr = (port.hostAddress?.value ?? 0).bigEndian
        let bound = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        if bound == 0, port.transport != .tcp || listen(descriptor, 1) == 0 { return descriptor }
        let code = errno
        close(descriptor)
        switch code {
        case EADDRINUSE:
            throw ShimError(
                .alreadyExists, "\(what) is taken by another pod or a program of this host: free it, or use another")
        case EADDRNOTAVAIL:
            throw ShimError(.invalidArgument, "\(what): the host has no such address")
        default:
            throw RootDirectory.failure("taking \(what)", code)
        }
    }

    private static func open(_ transport: PodNetwork.Port.Transport) -> Int32 {
        #if canImport(Glibc)
        let kind = Int32((transport == .udp ? SOCK_DGRAM : SOCK_STREAM).rawValue)
        return Glibc.socket(AF_INET, kind | Int32(SOCK_CLOEXEC.rawValue), 0)
        #else
        let descriptor = Darwin.socket(AF_INET, transport == .udp ? SOCK_DGRAM : SOCK_STREAM, 0)
        _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
        return descriptor
        #endif
    }
}
