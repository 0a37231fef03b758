import HTTP
import HostFiles
import KubeAPI
import Logging
import NIOConcurrencyHelpers
import NIOPosix
import Sockets
import TLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What the daemon needs of this machine, checked once at start.
struct DaemonSetup: Sendable {
    let configuration: AdapterConfiguration
    var pool: NIOThreadPool = .singleton
    let logger: Logger

    /// Makes the adapter's directory and makes sure that nobody else uses it.
    func prepareRoot() async throws -> RootLock {
        let name = configuration.nodeName
        guard !name.isEmpty, name.utf8.count <= 253, name.utf8.allSatisfy(Self.isNameByte) else {
            throw AdapterError(
                .invalidArgument,
                "the node name \"\(name)\" must be made of lower-case letters, digits, '-' and '.'; set another")
        }
        let root = configuration.root
        return try await pool.runIfActive {
            try SystemCall.makeDirectories(root, mode: 0o700)
            return try RootLock(root)
        }
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) || byte == 0x2D || byte == 0x2E
    }

    func addresses() throws -> [String] {
        if !configuration.nodeAddresses.isEmpty { return configuration.nodeAddresses }
        do {
            return try NodeAddresses.find()
        } catch {
            throw AdapterError(.failed, "cannot find this node's addresses: set them", cause: error)
        }
    }

    func mapping(_ addresses: [String]) async throws -> MappingContext {
        var mapping = MappingContext()
        mapping.nodeName = configuration.nodeName
        mapping.hostIPs = addresses
        mapping.logRoot = configuration.logRoot
        mapping.clusterDNS = configuration.clusterDNS
        mapping.clusterDomain = configuration.clusterDomain
        mapping.labels = [CRIProvider.nodeLabel: configuration.nodeName]
        mapping.defaultRuntimeHandler = configuration.runtimeHandler
        if let root = configuration.seccompRoot { mapping.seccompRoot = root }
        mapping.resolvConf = try await resolvConf()
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        let processors = sysconf(Int32(_SC_NPROCESSORS_ONLN))
        if pages > 0, processors > 0 {
            mapping.allocatable["memory"] = Quantity(bytes: Int64(pages) * Int64(sysconf(Int32(_SC_PAGESIZE))))
            mapping.allocatable["cpu"] = Quantity(value: Int64(processors))
        }
        return mapping
    }

    private func resolvConf() async throws -> ResolvConf {
        let path = configuration.resolvConf
        return try await FileWork(pool: pool).run {
            guard let bytes = try ResolverFile.read(path) else {
                logger.warning("there is no \(path): pods get no name servers from it")
                return ResolvConf()
            }
            return ResolvConf(parsing: String(decoding: bytes, as: UTF8.self))
        }
    }

    /// What the node says of itself at first.
    func node(_ mapping: MappingContext, _ resources: NodeResources, kubeletPort: Int) async throws -> NodeDescription {
        var node = NodeDescription(name: configuration.nodeName)
        let version = configuration.version
        node.info = try await pool.runIfActive { SystemFacts.info(version: version) }
        if let system = configuration.operatingSystem { node.info.operatingSystem = system }
        node.labels = NodeDescription.standardLabels(
            name: node.name, os: node.info.operatingSystem, architecture: node.info.architecture)
        node.taints = configuration.taints
        node.providerID = configuration.providerID
        node.addresses = mapping.hostIPs.map { NodeAddress("InternalIP", $0) } + [NodeAddress("Hostname", node.name)]
        node.kubeletPort = Int32(kubeletPort)
        node.capacity = resources.capacity
        node.allocatable = resources.allocatable
        return node
    }

    /// Contexts for a runtime on another machine: one for calls, one for streams on the same port.
    func runtimeTLS() throws -> (rpc: TLSContext?, streaming: TLSContext?) {
        guard let tls = configuration.runtimeTLS else { return (nil, nil) }
        guard case .tcp(let host, _) = configuration.runtime else {
            throw AdapterError(
                .invalidArgument, "certificates are of no use for \(configuration.runtime): a unix socket has no TLS")
        }
        func context(_ protocols: [String]) throws(TLSError) -> TLSContext {
            try TLSContext.client(
                TLSClientConfiguration(
                    caFile: tls.caFile, certificateFile: tls.certificateFile, keyFile: tls.keyFile,
                    serverName: tls.serverName ?? host, applicationProtocols: protocols))
        }
        do throws(TLSError) {
            return (try context(["h2"]), try context(["http/1.1"]))
        } catch {
            throw AdapterError(.invalidArgument, "the certificates for the runtime cannot be used", cause: error)
        }
    }

    // MARK: The kubelet API

    func authenticators() async throws -> [any Authenticator] {
        let path = configuration.kubeletTokenFile ?? "\(configuration.root)/kubelet-token"
        let isOwn = configuration.kubeletTokenFile == nil
        try await pool.runIfActive {
            if isOwn { try TokenFileAuthenticator.prepare(path) }
            guard try SystemCall.readOwn(path, limit: 4096)?.isEmpty == false else {
                throw AdapterError(.invalidArgument, "the token file \(path) is missing or empty: put a token in it")
            }
        }
        return [CertificateAuthenticator(), TokenFileAuthenticator(path: path)]
    }

    /// The certificate the kubelet API starts with: the one that is named, else one that is made and kept.
    func serving(names: [String]) throws -> ServingCertificate {
        do throws(TLSError) {
            let files =
                if let certificate = configuration.kubeletCertificateFile, let key = configuration.kubeletKeyFile {
                    (certificateFile: certificate, keyFile: key)
                } else {
                    try SelfSignedCertificate.make(
                        names: names, directory: configuration.root, name: "kubelet")
                }
            let shown = TLSServerConfiguration(
                certificateFile: files.certificateFile, keyFile: files.keyFile,
                clientCAFile: configuration.kubeletClientCAFile,
                clientCertificate: configuration.kubeletClientCAFile == nil ? .none : .optional)
            return ServingCertificate(context: try TLSContext.server(shown), configuration: shown, logger: logger)
        } catch {
            throw AdapterError(.invalidArgument, "the certificate of the kubelet API cannot be used", cause: error)
        }
    }

    func listener(_ address: Endpoint, _ serving: ServingCertificate) throws -> HTTPListener {
        guard case .tcp(let host, let port) = address else {
            throw AdapterError(.invalidArgument, "the kubelet API listens on HOST:PORT, not on \(address)")
        }
        return .tcp(host: host, port: port, tls: serving.context)
    }
}

/// Keeps two adapters from using one directory. The lock goes with the process, however that ends.
final class RootLock: Sendable {
    private let descriptor: NIOLockedValueBox<Int32?>

    /// - Throws: when another process holds it.
    init(_ root: String) throws(AdapterError) {
        let path = "\(root)/adapter.lock"
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        guard file >= 0 else { throw SystemCall.failure("open lock", path) }
        guard flock(file, LOCK_EX | LOCK_NB) == 0 else {
            let code = errno
            close(file)
            if code == EWOULDBLOCK {
                throw AdapterError(
                    .unavailable,
                    "another vk-adapter is running with the root \(root): stop it or choose another root")
            }
            throw SystemCall.failure("lock", path, code)
        }
        descriptor = NIOLockedValueBox(file)
    }

    func release() {
        descriptor.withLockedValue { file in
            if let open = file { close(open) }
            file = nil
        }
    }

    deinit { release() }
}
