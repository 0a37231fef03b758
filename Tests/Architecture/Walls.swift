/// What a room may import: the design's table. `Package.swift` says what each target is given; this says what it may be
/// given, so that a wall is not moved by editing one line.
enum Walls {
    private static let nio: Set = ["NIOCore", "NIOPosix", "NIOConcurrencyHelpers"]
    private static let nioHTTP1 = nio.union(["NIOHTTP1"])
    private static let daemon: Set = ["ArgumentParser", "Logging", "ServiceLifecycle"]

    /// Modules of this package and of other packages, by importing target.
    static let mayImport: [String: Set<String>] = [
        "Sockets": nio,
        "TLS": nio.union(["COpenSSL"]),
        "RPC": nio.union(["CNGHTTP2", "Sockets", "TLS", "Logging", "ServiceLifecycle"]),
        "CProto": ["CProtobufC"],
        "Proto": ["CProto", "CProtobufC", "RPC", "NIOCore"],
        "proto-gen": ["CProto", "CProtobufC"],
        "proto-bench": ["Proto", "RPC", "NIOCore"],
        "Measuring": [],
        "clone-bench": ["Measuring", "VZEngine", "Clonefile"],
        "image-bench": ["Measuring", "Registry", "RegistryDouble", "VMImages", "Logging"],
        "ssh-bench": ["Measuring", "GuestSSH", "CSSH2", "Logging", "NIOCore"],
        "log-bench": ["Measuring", "HTTP", "HostFiles", "TLS", "Logging", "NIOCore", "NIOHTTP1", "NIOPosix"],
        "vm-bench": ["Measuring", "Proto", "RPC", "Processes", "Sockets", "Logging", "NIOPosix"],
        "HTTP": nioHTTP1.union(["Sockets", "TLS", "Logging", "ServiceLifecycle"]),
        "Streaming": nioHTTP1.union(["HTTP", "TLS", "Sockets", "CZlib", "Logging"]),
        "Waiting": [],
        "HostFiles": nio,
        "Docker": nioHTTP1.union(["HTTP", "Sockets", "TLS", "Waiting", "Logging"]),
        "Processes": nio.union(["CSpawn", "Logging"]),
        "GuestSSH": nio.union(["CSSH2", "Waiting", "Logging"]),
        "Registry": nioHTTP1.union([
            "AsyncHTTPClient", "NIOSSL", "COpenSSL", "HostFiles", "Processes", "Waiting", "Logging",
        ]),
        "NBD": nio.union(["Sockets", "Logging"]),
        "VMImages": nio.union([
            "CFiles", "COpenSSL", "CZlib", "CZstd", "CLZ4", "HostFiles", "NBD", "Processes", "Registry", "Waiting",
            "BitCollections", "Logging",
        ]),
        "VZEngine": nio.union(["HostFiles", "Processes", "Sockets", "Waiting", "Logging"]),
        "VMHost": nio.union([
            "VZEngine", "VZEngineApple", "GuestSSH", "HostFiles", "Processes", "Sockets", "Waiting", "Logging",
            "ServiceLifecycle", "UnixSignals",
        ]),
        // Apple's framework is the system's on a Mac, and a target of tests elsewhere.
        "VZEngineApple": nio.union(["VZEngine", "HostFiles", "Processes", "Logging", "Virtualization"]),
        "KubeAPI": nioHTTP1.union([
            "AsyncHTTPClient", "NIOSSL", "NIOHTTP2", "HostFiles", "Processes", "Waiting", "Yams", "Logging",
        ]),
        "Settings": ["Yams"],
        "Doctor": nio.union(["Docker", "Processes", "Sockets", "TLS", "VZEngine", "Logging"]),
        "Launch": ["Settings", "NIOCore", "ArgumentParser", "Logging"],
        "CRIShim": nioHTTP1.union([
            "RPC", "Proto", "HTTP", "Streaming", "Docker", "HostFiles", "Processes", "Registry", "VMImages", "VZEngine",
            "Sockets", "TLS", "Waiting", "Logging", "ServiceLifecycle", "UnixSignals",
        ]),
        "CRIControl": nioHTTP1.union([
            "RPC", "Proto", "HTTP", "Streaming", "HostFiles", "Sockets", "TLS", "Logging",
        ]),
        "VKAdapter": nioHTTP1.union([
            "RPC", "Proto", "HTTP", "Streaming", "KubeAPI", "HostFiles", "Sockets", "TLS", "Waiting",
            "Logging", "ServiceLifecycle", "UnixSignals",
        ]),
        "cri-shim": daemon.union(nio).union([
            "UnixSignals", "CRIShim", "CRIControl", "Doctor", "Registry", "VMImages", "VZEngine", "Launch", "Settings",
            "Sockets",
            "TLS",
        ]),
        "vm-host": ["VMHost", "Launch", "ArgumentParser", "Logging"],
        "vk-adapter": daemon.union(nio).union(["KubeAPI", "VKAdapter", "Launch", "Settings", "Sockets", "TLS"]),
        "CProtobufC": [], "CNGHTTP2": [], "COpenSSL": [], "CZlib": [], "CZstd": [], "CLZ4": [], "CSSH2": [],
        "CSpawn": [], "CFiles": [],
    ]

    /// Part of every toolchain; no declaration needed.
    static let toolchain: Set = [
        "Swift", "Glibc", "Musl", "Darwin", "Synchronization", "Dispatch", "Foundation", "FoundationEssentials", "os",
    ]

    /// Parts of the system that one room alone may use.
    static let frameworks: [String: Set<String>] = [
        "VZEngineApple": ["Virtualization"], "VZEngineAppleTests": ["Virtualization"],
    ]

    /// What may be built on the tests' double of Apple's framework: the engine, and tests.
    static let onTheDouble: Set = ["VZEngineApple", "VZEngineAppleTests", "vm-host-double", "E2E"]

    /// Rooms every idle daemon holds in memory. All of Foundation (with its Unicode tables) stays out of them.
    static let withoutFoundation: Set = [
        "Sockets", "TLS", "RPC", "Proto", "HTTP", "Streaming", "HostFiles", "Docker", "Processes", "GuestSSH",
        "Registry", "VMImages", "VZEngine", "VMHost", "CRIShim",
    ]

    /// The rooms that stay leaves: nothing of this package but what stands here may be under them.
    static let neverTogether: [(room: String, module: String, why: String)] = [
        ("Registry", "HTTP", "what we ask others goes out over async-http-client alone"),
        ("CRIShim", "KubeAPI", "the shim never speaks to Kubernetes"),
        ("VKAdapter", "Docker", "the adapter never imports an engine"),
        ("VKAdapter", "CRIShim", "the adapter drives any CRI endpoint"),
        ("RPC", "Proto", "RPC knows no CRI"),
        ("VKAdapter", "VZEngine", "the adapter never imports an engine"),
        ("CRIShim", "GuestSSH", "the shim reaches guests through the supervisor's control socket"),
        ("CRIShim", "VZEngineApple", "the shim makes no machines: its supervisors do"),
        ("vm-host", "Virtualization", "no executable links the tests' double of Apple's framework"),
        ("cri-shim", "Virtualization", "no executable links the tests' double of Apple's framework"),
        ("vk-adapter", "Virtualization", "no executable links the tests' double of Apple's framework"),
        ("VMHost", "CRIShim", "a supervisor outlives the shim and shares no code with it but the protocol"),
    ]
}
