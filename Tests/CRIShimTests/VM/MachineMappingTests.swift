import Proto
import Testing
import VZEngine

@testable import CRIShim

@Suite struct MachineMappingTests {
    static let image = MachineImage(
        id: "sha256:1", boot: .kernel(path: "/k", initrd: nil, commandLine: ""), credentials: .init(user: "root"))
    static let host = MachineResources.Host(cpus: 4, memoryBytes: 8 << 30)

    struct Wish: Sendable {
        var quota: Int64 = 0
        var shares: Int64 = 0
        var limit: Int64 = 0
        var cpus: Int
        var mebibytes: Int64 = 512
    }

    @Test(arguments: [
        Wish(quota: 150_000, cpus: 2), Wish(quota: 100_000, shares: 4096, cpus: 1), Wish(shares: 1025, cpus: 2),
        Wish(shares: 2, cpus: 1), Wish(quota: -1, shares: 2048, limit: (100 << 20) + 1, cpus: 2, mebibytes: 102),
    ]) func `limits come before requests, and both are rounded up`(wish: Wish) throws {
        var request = MachineResources.Request()
        request.cpuQuota = wish.quota
        request.cpuShares = wish.shares
        request.memoryLimit = wish.limit
        let size = try MachineResources.size(request, image: Self.image, host: Self.host, what: "container a")
        #expect(size == .init(cpus: wish.cpus, memoryBytes: wish.mebibytes << 20))
    }

    @Test func `what the image wishes is what a container without a wish gets`() throws {
        var image = Self.image
        image.cpus = 2
        image.memoryBytes = 1 << 30
        #expect(
            try MachineResources.size(nil, image: image, host: Self.host, what: "container a")
                == .init(cpus: 2, memoryBytes: 1 << 30))
    }

    @Test func `more than the host has is refused`() throws {
        var cpus = MachineResources.Request()
        cpus.cpuQuota = 400_001
        var memory = MachineResources.Request()
        memory.memoryLimit = 9 << 30
        var little = MachineResources.Request()
        little.memoryLimit = 1 << 20
        for request in [cpus, memory, little] {
            let error = #expect(throws: ShimError.self) {
                try MachineResources.size(request, image: Self.image, host: Self.host, what: "container a")
            }
            #expect(error?.code == .invalidArgument)
        }
    }

    @Test func `declared ports are the machine's, the pod's others its neighbours'`() throws {
        var sandbox = SandboxRecord()
        sandbox.ports = [
            .init(protocol: 0, containerPort: 80), .init(protocol: 0, containerPort: 8080, hostPort: 30000),
            .init(protocol: 1, containerPort: 53), .init(protocol: 0, containerPort: 80),
        ]
        let all = try MachinePorts.split(annotations: [:], sandbox: sandbox, what: "container a")
        #expect(all == .init(own: [.init(.tcp, 80), .init(.tcp, 8080), .init(.udp, 53)], peers: []))
        let some = try MachinePorts.split(
            annotations: [MachinePorts.annotation: #"[{"name":"web","containerPort":80,"protocol":"TCP"}]"#],
            sandbox: sandbox, what: "container a")
        #expect(some == .init(own: [.init(.tcp, 80)], peers: [8080]))
        let none = try MachinePorts.split(
            annotations: [MachinePorts.annotation: "[]"], sandbox: sandbox, what: "container a")
        #expect(none == .init(own: [], peers: [80, 8080]))
        // As a kubelet tells of a container without ports.
        let silent = try MachinePorts.split(
            annotations: [MachinePorts.kubeletAnnotation: "1a"], sandbox: sandbox, what: "container a")
        #expect(silent == none)
        // What another machine has is not claimed again; where it is declared, the start says that it is there twice.
        let second = try MachinePorts.split(
            annotations: [:], sandbox: sandbox, taken: [.init(.tcp, 80), .init(.udp, 53)], what: "container a")
        #expect(second == .init(own: [.init(.tcp, 8080)], peers: [80]))
        let declared = try MachinePorts.split(
            annotations: [MachinePorts.annotation: #"[{"containerPort":80}]"#], sandbox: sandbox,
            taken: [.init(.tcp, 80)], what: "container a")
        #expect(declared == some)
        for bad in ["{", #"[{"containerPort":0}]"#, #"[{"containerPort":70000}]"#] {
            #expect(throws: ShimError.self) {
                try MachinePorts.split(
                    annotations: [MachinePorts.annotation: bad], sandbox: sandbox, what: "container a")
            }
        }
    }

    private static func mount(_ host: String, _ guest: String, readOnly: Bool = false) -> CRI.Mount {
        .init {
            $0.hostPath = host
            $0.containerPath = guest
            $0.readonly = readOnly
        }
    }

    @Test func `each directory is one share, and files are staged apart`() throws {
        let kinds: [String: MachineMounts.Kind] = [
            "/v/data": .directory, "/v/token": .file, "/v/hosts": .file, "/v/last": .file,
        ]
        let mounts = try MachineMounts(
            [
                Self.mount("/v/data/", "/data/deep", readOnly: true), Self.mount("/v/data", "/data"),
                Self.mount("/v/token", "/etc/token", readOnly: true), Self.mount("/v/new", "/new"),
                Self.mount("/v/hosts", "/etc/hosts"), Self.mount("/v/last", "/dev/termination-log"),
            ], terminationPath: "/dev/termination-log", staging: "/b/files", kind: { kinds[$0] ?? .absent })
        #expect(
            mounts.shares == [
                .init(tag: "m0", source: "/v/data", readOnly: false),
                .init(tag: "m1", source: "/v/new", readOnly: false),
                .init(tag: "files", source: "/b/files", readOnly: true),
            ])
        #expect(
            mounts.mounts == [
                .init(tag: "m0", guestPath: "/data", readOnly: false),
                .init(tag: "m1", guestPath: "/new", readOnly: false),
                .init(tag: "m0", guestPath: "/data/deep", readOnly: true),
                .init(tag: "files", subPath: "0/token", guestPath: "/etc/token", readOnly: true),
            ])
        #expect(mounts.staged == [.init(source: "/v/token", subPath: "0/token", readOnly: true)])
        #expect(mounts.missing == ["/v/new"])
        #expect(mounts.hostsFile == "/v/hosts")
        #expect(mounts.terminationFile == "/v/last")
    }

    @Test func `mounts that no machine can have are refused`() throws {
        var both = Self.mount("/v", "/v")
        both.propagation = .propagationBidirectional
        for bad in [
            Self.mount("v", "/v"), Self.mount("/v", "v"), Self.mount("/v", "/"), Self.mount("/v", "/a/../b"), both,
        ] {
            #expect(throws: ShimError.self) {
                try MachineMounts([bad], terminationPath: nil, staging: "/b", kind: { _ in .directory })
            }
        }
    }

    @Test func `of a hosts file only other machines are taken`() {
        let hosts = MachineMounts.hosts(
            in:
                "# Kubernetes\n127.0.0.1\tlocalhost\n::1 localhost ip6-localhost\nfe00::0 x\n10.1.2.3\tweb web.ns # me\n\n1.2.3.4\n"
        )
        #expect(hosts == [.init(address: "10.1.2.3", names: ["web", "web.ns"])])
    }
}
