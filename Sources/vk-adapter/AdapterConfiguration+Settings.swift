import KubeAPI
import Settings
import Sockets
import VKAdapter

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif
#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

extension AdapterConfiguration {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(_ settings: AdapterSettings) throws {
        let resolved = settings.resolved
        if settings.standalone, settings.podManifestPath == nil {
            throw resolved.invalid(
                "podManifestPath", "without a cluster pods come from files: say --pod-manifest-path DIR")
        }
        let runtime: Endpoint
        do {
            runtime = try Endpoint(parsing: settings.cri)
        } catch {
            throw resolved.invalid("cri", error.message)
        }
        self.init(runtime: runtime, nodeName: try Self.nodeName(settings), root: settings.root)
        runtimeTLS = try Self.runtimeTLS(settings, runtime: runtime)
        runtimeHandler = settings.runtimeHandler ?? ""
        podManifestPath = settings.podManifestPath
        if !settings.standalone {
            bootstrap = try Self.bootstrap(settings)
            if bootstrap == nil { cluster = try Self.cluster(settings) }
        }
        certificateDirectory = settings.certDir
        rotatesServerCertificate = settings.rotateServerCertificates
        maximumPods = settings.maxPods
        machineSlots = settings.vmSlots
        maximumParallelPulls = settings.maxParallelImagePulls
        imageVerification = settings.imagePullCredentialsVerificationPolicy
        imageVerificationAllowlist = settings.preloadedImagesVerificationAllowlist
        imageHigh = settings.imageGCHighThreshold
        imageLow = settings.imageGCLowThreshold
        guard imageLow < imageHigh else {
            throw resolved.invalid(
                "imageGCLowThreshold", "must be less than imageGCHighThreshold, which is \(imageHigh)")
        }
        evictionHard = settings.evictionHard
        evictionSoft = settings.evictionSoft
        evictionSoftGracePeriod = settings.evictionSoftGracePeriod
        evictionMinimumReclaim = settings.evictionMinimumReclaim
        evictionMaximumPodGrace = settings.evictionMaxPodGracePeriod
        evictionPressureTransition = .seconds(settings.evictionPressureTransitionPeriod)
        kubeReserved = settings.kubeReserved
        systemReserved = settings.systemReserved
        allowedUnsafeSysctls = settings.allowedUnsafeSysctls
        shutdownGrace = .seconds(settings.shutdownGracePeriod)
        providerID = settings.providerID ?? ""
        version = VKAdapterCommand.versionText
        if !settings.disableTaint {
            taints = [Taint(key: settings.taintKey, value: settings.taintValue, effect: settings.taintEffect)]
        }
        nodeAddresses = settings.nodeAddresses
        podDialing = PodDialing(rawValue: settings.podDialing) ?? .auto
        postStartTimeout = .seconds(settings.postStartTimeout)
        logRoot = settings.podLogs
        clusterDNS = settings.clusterDNS
        clusterDomain = settings.clusterDomain ?? ""
        serviceHost = settings.serviceHost
        kubeletAddress = .tcp(host: settings.kubeletAddress, port: settings.kubeletPort)
        guard (settings.tlsCert == nil) == (settings.tlsKey == nil) else {
            throw resolved.invalid(
                settings.tlsCert == nil ? "tlsKey" : "tlsCert", "a certificate and its key go together")
        }
        kubeletCertificateFile = settings.tlsCert
        kubeletKeyFile = settings.tlsKey
        kubeletClientCAFile = settings.clientVerifyCA
        kubeletTokenFile = settings.kubeletTokenFile
        try setAccess(settings)
        try setTracing(settings)
    }

    /// - Returns: `nil` where the node has its identity already, or is to be given one by nobody.
    private static func bootstrap(_ settings: AdapterSettings) throws -> BootstrapConfiguration? {
        guard let path = settings.bootstrapKubeconfig else { return nil }
        let resolved = settings.resolved
        guard let kubeconfig = settings.kubeconfig, !kubeconfig.contains(":") else {
            throw resolved.invalid(
                "bootstrapKubeconfig", "--kubeconfig has to name one file: the node's identity is put there")
        }
        do {
            return BootstrapConfiguration(
                connection: try KubeconfigLoader(paths: path).load(), kubeconfig: kubeconfig)
        } catch {
            throw resolved.invalid("bootstrapKubeconfig", "\(error)")
        }
    }

    /// The cluster the settings name, else that of `~/.kube/config`, else the one this runs in.
    private static func cluster(_ settings: AdapterSettings) throws -> ClusterConnection {
        let resolved = settings.resolved
        let environment = ProcessInfo.processInfo.environment
        do {
            if let paths = settings.kubeconfig {
                return try KubeconfigLoader(paths: paths, context: settings.kubeContext).load()
            }
            if let home = environment["HOME"], access(home + "/.kube/config", F_OK) == 0 {
                return try KubeconfigLoader(paths: home + "/.kube/config", context: settings.kubeContext).load()
            }
            if let connection = try InCluster.connection(environment: environment) { return connection }
        } catch {
            throw resolved.invalid("kubeconfig", "\(error)")
        }
        throw resolved.invalid(
            "kubeconfig", "nothing says which cluster to join: say --kubeconfig FILE, or --standalone to join none")
    }

    private static func nodeName(_ settings: AdapterSettings) throws -> String {
        let name = settings.nodeName ?? hostName().lowercased()
        let labels = name.split(separator: ".", omittingEmptySubsequences: false)
        let isName = labels.allSatisfy { label in
            !label.isEmpty && label.count <= 63 && label.first != "-" && label.last != "-"
                && label.allSatisfy { $0.isASCII && ($0.isLowercase || $0.isNumber || $0 == "-") }
        }
        guard isName, name.count <= 253 else {
            throw settings.resolved.invalid(
                "nodeName",
                "\"\(name)\" is no name of a node: small letters, digits, dots and dashes; say --nodename NAME")
        }
        return name
    }

    private static func hostName() -> String {
        var buffer = [UInt8](repeating: 0, count: 256)
        let isKnown = buffer.withUnsafeMutableBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { gethostname($0.baseAddress!, $0.count - 1) == 0 }
        }
        return isKnown ? String(decoding: buffer.prefix { $0 != 0 }, as: UTF8.self) : ""
    }

    private static func runtimeTLS(_ settings: AdapterSettings, runtime: Endpoint) throws -> RuntimeTLS? {
        guard case .tcp = runtime else { return nil }
        guard let authority = settings.criTLSCA, let certificate = settings.criTLSCert, let key = settings.criTLSKey
        else {
            throw settings.resolved.invalid(
                "cri",
                "\(runtime) needs --cri-tls-ca, --cri-tls-cert and --cri-tls-key: over TCP both sides prove who they are"
            )
        }
        return RuntimeTLS(
            caFile: authority, certificateFile: certificate, keyFile: key, serverName: settings.criTLSServerName)
    }
}
