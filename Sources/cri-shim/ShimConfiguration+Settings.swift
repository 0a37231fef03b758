import CRIShim
import Registry
import Settings
import Sockets

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ShimConfiguration {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(_ settings: ShimSettings) throws {
        let resolved = settings.resolved
        let listen = try settings.listen.map { try Self.endpoint($0, of: "listen", in: resolved) }
        guard !listen.isEmpty else {
            throw resolved.invalid("listen", "names nowhere to listen: write unix:///PATH or tcp://HOST:PORT")
        }
        self.init(
            listen: listen, rootDirectory: settings.root, stateDirectory: Self.stateDirectory(settings),
            dockerEndpoint: try Self.endpoint(settings.dockerHost, of: "dockerHost", in: resolved),
            version: CRIShimCommand.versionText)
        podLogDirectory = settings.podLogs
        if let group = settings.socketGroup { socket.group = group }
        tls = try Self.serverTLS(settings, listen: listen)
        dockerTLS = Self.dockerTLS(settings)
        advertiseAddress = settings.advertiseAddress
        pauseImage = settings.pauseImage
        registries = try RegistryConfiguration(settings)
        images = try ImageUpkeep(settings)
        peers = try PeerConfiguration(settings)
        try takeGuests(settings)
        try takeNetwork(settings)
    }

    /// The platform's for the platform's root; another root has its own, so that two shims do not meet.
    static func stateDirectory(_ settings: ShimSettings) -> String {
        if let state = settings.state { return state }
        let platform = HostPlatform.current(environment: ProcessInfo.processInfo.environment)
        return settings.root == platform.rootDirectory ? platform.stateDirectory : settings.root + "/run"
    }

    private mutating func takeGuests(_ settings: ShimSettings) throws {
        let resolved = settings.resolved
        vmImages = try settings.vmImages.map { try Self.pattern($0, of: "vmImages", in: resolved) }
        guests = try settings.guests.map { fields in
            guard fields["match"] != nil || fields["name"] != nil else {
                throw resolved.invalid("guests", "an entry has neither match nor name: nothing would ever use it")
            }
            guard fields["keyFile"] != nil || fields["passwordFile"] != nil else {
                throw resolved.invalid(
                    "guests", "the entry for user \(fields["user"] ?? "") needs a keyFile or a passwordFile")
            }
            return GuestProfile(
                name: fields["name"],
                match: try fields["match"].map { try Self.pattern($0, of: "guests", in: resolved) },
                login: GuestLogin(
                    user: fields["user"], keyFile: fields["keyFile"], passwordFile: fields["passwordFile"],
                    passphraseFile: fields["passphraseFile"]))
        }
        guestLogin = GuestLogin(
            user: settings.sshUser, keyFile: settings.sshKeyFile, passwordFile: settings.sshPasswordFile)
        if let key = settings.sshKeyBase64 {
            guard let data = Data(base64Encoded: key, options: .ignoreUnknownCharacters), !data.isEmpty else {
                throw resolved.invalid("sshKeyBase64", "is not the base64 of a private key")
            }
            guestLogin.key = [UInt8](data)
        }
        guestLogin.password = settings.sshPassword
        guestLogin.passphraseFile = settings.sshKeyPassphraseFile
        guestLogin.passphrase = settings.sshKeyPassphrase
        guestKeyExchanges = settings.sshKexAlgorithms
        guestReadinessTimeout = settings.guestReadinessTimeout
        guestDialTimeout = settings.guestDialTimeout
        machines = try Self.machines(settings)
        vmSlots = settings.vmSlots
        if let text = settings.diskReserve {
            guard let reserve = DiskReserve(text) else {
                throw resolved.invalid(
                    "diskReserve",
                    "\"\(text)\" is neither a size such as 10Gi nor a share such as 5%; 0 keeps nothing free")
            }
            diskReserve = reserve
        }
        vmHostPath = settings.vmHost
        lazyStart = settings.lazyStart
        logLevel = settings.logLevel
    }

    private static func machines(_ settings: ShimSettings) throws -> MachineDefaults {
        func amount(_ text: String?, _ key: String) throws -> Int64? {
            try text.map { text in
                guard let bytes = ByteCount.parse(text) else {
                    throw settings.resolved.invalid(
                        key, "\"\(text)\" is no amount: write 8Gi, 512Mi or a number of bytes")
                }
                return bytes
            }
        }
        var machines = MachineDefaults()
        machines.cpus = settings.vm.cpus
        machines.memoryBytes = try amount(settings.vm.memory, "vm.memory")
        machines.maxCPUs = settings.vm.maxCPUs
        machines.maxMemoryBytes = try amount(settings.vm.maxMemory, "vm.maxMemory")
        machines.diskBytes = try amount(settings.vm.diskSize, "vm.diskSize")
        machines.display = try settings.vm.display.map { text in
            guard let display = MachineDefaults.Display(text) else {
                throw settings.resolved.invalid(
                    "vm.display", "\"\(text)\" is no size of a display: write 1920x1080 or 1920x1080@80")
            }
            return display
        }
        machines.nestedVirtualization = settings.vm.nestedVirtualization
        machines.bootArguments = settings.vm.bootArgs ?? ""
        machines.holdOnFailure = settings.vm.holdOnFailure
        return machines
    }

    private mutating func takeNetwork(_ settings: ShimSettings) throws {
        podCIDR = settings.podCIDR
        if let range = settings.podCIDR, !Self.isRange(range) {
            throw settings.resolved.invalid(
                "podCIDR", "\"\(range)\" is no range of IPv4 addresses from /8 to /29, such as 10.88.0.0/24")
        }
        cniConfDirectory = settings.cniConfDir
        cniBinDirectory = settings.cniBinDir
        bridgeInterface = settings.bridgeInterface
    }

    private static func isRange(_ text: String) -> Bool {
        let parts = text.split(separator: "/", omittingEmptySubsequences: false)
        guard parts.count == 2, let length = Int(parts[1]), (8...29).contains(length) else { return false }
        let numbers = parts[0].split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers.allSatisfy { UInt8($0) != nil }
    }

    static func pattern(_ text: String, of key: String, in resolved: ResolvedSettings) throws -> ImagePattern {
        guard let pattern = ImagePattern(text) else {
            throw resolved.invalid(
                key, "\"\(text)\" is no pattern: write a name such as registry.example/vms/*, without spaces")
        }
        return pattern
    }

    private static func endpoint(_ text: String, of key: String, in resolved: ResolvedSettings) throws -> Endpoint {
        do {
            return try Endpoint(parsing: text)
        } catch {
            throw resolved.invalid(key, error.message)
        }
    }

    private static func serverTLS(_ settings: ShimSettings, listen: [Endpoint]) throws -> ServerTLS? {
        let given = [("tlsCert", settings.tlsCert), ("tlsKey", settings.tlsKey), ("clientCA", settings.clientCA)]
        let tcp = listen.first { if case .tcp = $0 { true } else { false } }
        if let tcp, let missing = given.first(where: { $0.1 == nil })?.0 {
            let flag = settings.resolved[missing].key.flag ?? missing
            throw settings.resolved.invalid(
                "listen",
                "\(tcp) needs \(flag): whoever may call a container runtime is root here, so over TCP both sides prove who "
                    + "they are (--tls-cert, --tls-key, --client-ca)")
        }
        guard tcp != nil, let certificate = settings.tlsCert, let key = settings.tlsKey,
            let authority = settings.clientCA
        else { return nil }
        return ServerTLS(
            certificateFile: certificate, keyFile: key, clientCAFile: authority, allowedNames: settings.clientAllow)
    }

    /// As Docker's own client has it: DOCKER_TLS_VERIFY turns TLS on, DOCKER_CERT_PATH says where its files are.
    private static func dockerTLS(_ settings: ShimSettings) -> DockerTLS? {
        guard settings.dockerTLSVerify else { return nil }
        guard let directory = settings.dockerCertPath else {
            return DockerTLS(caFile: nil, certificateFile: nil, keyFile: nil)
        }
        return DockerTLS(
            caFile: directory + "/ca.pem", certificateFile: directory + "/cert.pem", keyFile: directory + "/key.pem")
    }
}
