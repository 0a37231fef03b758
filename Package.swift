// swift-tools-version: 6.2
import PackageDescription

// One list of settings for every target: the language mode and the upcoming
// features that keep imports honest. Warnings are errors in CI only.
let swiftSettings: [SwiftSetting] = [
    .swiftLanguageMode(.v6),
    .enableUpcomingFeature("ExistentialAny"),
    .enableUpcomingFeature("InternalImportsByDefault"),
    .enableUpcomingFeature("MemberImportVisibility"),
]

let nio: [Target.Dependency] = [
    .product(name: "NIOCore", package: "swift-nio"),
    .product(name: "NIOConcurrencyHelpers", package: "swift-nio"),
    .product(name: "NIOPosix", package: "swift-nio"),
]
let nioHTTP1: Target.Dependency = .product(name: "NIOHTTP1", package: "swift-nio")
let nioHTTP2: Target.Dependency = .product(name: "NIOHTTP2", package: "swift-nio-http2")
let nioEmbedded: Target.Dependency = .product(name: "NIOEmbedded", package: "swift-nio")
let logging: Target.Dependency = .product(name: "Logging", package: "swift-log")
let bits: Target.Dependency = .product(name: "BitCollections", package: "swift-collections")
let lifecycle: Target.Dependency = .product(name: "ServiceLifecycle", package: "swift-service-lifecycle")
let signals: Target.Dependency = .product(name: "UnixSignals", package: "swift-service-lifecycle")
let arguments: Target.Dependency = .product(name: "ArgumentParser", package: "swift-argument-parser")
let yams: Target.Dependency = .product(name: "Yams", package: "Yams")

/// A room of the design: a library target with the shared settings.
func room(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .target(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func daemon(_ name: String, _ dependencies: [Target.Dependency]) -> Target {
    .executableTarget(name: name, dependencies: dependencies, swiftSettings: swiftSettings)
}

func tests(_ name: String, _ dependencies: [Target.Dependency], exclude: [String] = []) -> Target {
    .testTarget(name: name, dependencies: dependencies, exclude: exclude, swiftSettings: swiftSettings)
}

// Apple's framework on a Mac; elsewhere, for tests only, a double of it which no executable may link.
#if os(Linux)
let virtualizationTargets: [Target] = [
    .target(
        name: "Virtualization", dependencies: ["Support"], path: "Tests/Virtualization", swiftSettings: swiftSettings),
    // `vm-host` over a simulated Mac.
    .executableTarget(
        name: "vm-host-double",
        dependencies: ["VMHost", "VZEngine", "VZEngineApple", "Virtualization", "Launch", arguments, logging],
        path: "Tests/AppleHost", swiftSettings: swiftSettings),
    // A double of clonefile(2), likewise for tests and benchmarks only.
    .target(name: "Clonefile", path: "Tests/Clonefile", swiftSettings: swiftSettings),
]
let appleHost: [Target.Dependency] = ["vm-host-double"]
let clonefile: [Target.Dependency] = ["Clonefile"]
let virtualization: [Target.Dependency] = ["Virtualization"]
/// The double has what Apple's framework has on Apple silicon only.
let virtualizationSettings: [SwiftSetting] = [.define("VIRTUALIZATION_DOUBLE")]
#else
let virtualizationTargets: [Target] = []
let appleHost: [Target.Dependency] = []
let clonefile: [Target.Dependency] = []
let virtualization: [Target.Dependency] = []
let virtualizationSettings: [SwiftSetting] = []
#endif
let systemEngine: [Target.Dependency] = [.target(name: "VZEngineApple", condition: .when(platforms: [.macOS]))]

func cLibrary(_ name: String, pkgConfig: String, brew: String, apt: String) -> Target {
    .systemLibrary(name: name, pkgConfig: pkgConfig, providers: [.brew([brew]), .apt([apt])])
}

let package = Package(
    name: "vz-cri",
    platforms: [.macOS(.v15)],
    products: [
        .executable(name: "cri-shim", targets: ["cri-shim"]),
        .executable(name: "vk-adapter", targets: ["vk-adapter"]),
        .executable(name: "vm-host", targets: ["vm-host"]),
        .library(name: "Proto", targets: ["Proto"]),
    ],
    dependencies: [
        .package(url: "https://github.com/apple/swift-nio", exact: "2.101.2"),
        .package(url: "https://github.com/apple/swift-log", exact: "1.16.2"),
        .package(url: "https://github.com/apple/swift-collections", exact: "1.6.0"),
        .package(url: "https://github.com/apple/swift-argument-parser", exact: "1.8.2"),
        .package(url: "https://github.com/swift-server/swift-service-lifecycle", exact: "2.13.0"),
        .package(url: "https://github.com/jpsim/Yams", exact: "6.2.2"),
        .package(url: "https://github.com/swift-server/async-http-client", exact: "1.37.0"),
        .package(url: "https://github.com/apple/swift-nio-http2", exact: "1.46.0"),
        .package(url: "https://github.com/apple/swift-nio-ssl", exact: "2.37.6"),
    ],
    targets: [
        // C libraries
        cLibrary("CProtobufC", pkgConfig: "libprotobuf-c", brew: "protobuf-c", apt: "libprotobuf-c-dev"),
        cLibrary("CNGHTTP2", pkgConfig: "libnghttp2", brew: "libnghttp2", apt: "libnghttp2-dev"),
        cLibrary("COpenSSL", pkgConfig: "openssl", brew: "openssl@3", apt: "libssl-dev"),
        cLibrary("CZlib", pkgConfig: "zlib", brew: "zlib", apt: "zlib1g-dev"),
        cLibrary("CZstd", pkgConfig: "libzstd", brew: "zstd", apt: "libzstd-dev"),
        cLibrary("CLZ4", pkgConfig: "liblz4", brew: "lz4", apt: "liblz4-dev"),
        cLibrary("CSSH2", pkgConfig: "libssh2", brew: "libssh2", apt: "libssh2-1-dev"),
        // What must happen between fork and exec, where Swift may not run.
        .target(name: "CSpawn"),
        // System calls that Swift does not see.
        .target(name: "CFiles"),

        // The wire
        room("Sockets", nio),
        room("TLS", nio + ["COpenSSL"]),
        room("RPC", nio + ["CNGHTTP2", "Sockets", "TLS", logging, lifecycle]),
        .target(name: "CProto", dependencies: ["CProtobufC"]),
        // Walks the protobuf-c descriptors and writes Sources/Proto/Generated; `make proto` runs it.
        daemon("proto-gen", ["CProto", "CProtobufC"]),
        room("Proto", ["CProto", "CProtobufC", "RPC", nio[0]]),
        room("HTTP", nio + [nioHTTP1, "Sockets", "TLS", logging, lifecycle]),
        room("Streaming", nio + [nioHTTP1, "HTTP", "Sockets", "TLS", "CZlib", logging]),

        // Leaves
        room("Waiting", []),
        room("HostFiles", nio),
        room("Docker", nio + [nioHTTP1, "HTTP", "Sockets", "TLS", "Waiting", logging]),
        room("Processes", nio + ["CSpawn", logging]),
        room("GuestSSH", nio + ["CSSH2", "Waiting", logging]),
        room(
            "Registry",
            nio + [
                nioHTTP1, "COpenSSL", "HostFiles", "Processes", "Waiting", logging,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        room("NBD", nio + ["Sockets", logging]),
        room(
            "VMImages",
            nio + [
                "CFiles", "COpenSSL", "CZlib", "CZstd", "CLZ4", "HostFiles", "NBD", "Processes", "Registry", "Waiting",
                bits, logging,
            ]),
        room("VZEngine", nio + ["HostFiles", "Processes", "Sockets", "Waiting", logging]),
        .target(
            name: "VZEngineApple",
            dependencies: nio + virtualization + ["VZEngine", "HostFiles", "Processes", logging],
            swiftSettings: swiftSettings + virtualizationSettings),
        room(
            "KubeAPI",
            nio + [
                nioHTTP1, nioHTTP2, "HostFiles", "Processes", "Waiting", yams, logging,
                .product(name: "AsyncHTTPClient", package: "async-http-client"),
                .product(name: "NIOSSL", package: "swift-nio-ssl"),
            ]),
        room("Settings", [yams]),
        room("Doctor", nio + ["Docker", "Processes", "Sockets", "TLS", "VZEngine", logging]),

        // The two halves
        room(
            "CRIShim",
            nio + [
                nioHTTP1, "RPC", "Proto", "HTTP", "Streaming", "Docker", "HostFiles", "Processes", "Registry",
                "VMImages", "VZEngine", "Sockets", "TLS", "Waiting", logging, lifecycle, signals,
            ]),
        // The supervisor of one virtual machine.
        room(
            "VMHost",
            nio + systemEngine + [
                "VZEngine", "GuestSSH", "HostFiles", "Processes", "Sockets", "Waiting", logging, lifecycle, signals,
            ]),
        room(
            "CRIControl", nio + [nioHTTP1, "RPC", "Proto", "HTTP", "Streaming", "HostFiles", "Sockets", "TLS", logging]),
        room(
            "VKAdapter",
            nio + [
                nioHTTP1, "RPC", "Proto", "HTTP", "Streaming", "KubeAPI", "HostFiles", "Sockets", "TLS", "Waiting",
                logging, lifecycle, signals,
            ]),

        // Executables: arguments, configuration, signals
        room("Launch", ["Settings", nio[0], arguments, logging]),
        daemon(
            "cri-shim",
            nio + [
                "CRIShim", "CRIControl", "Doctor", "Registry", "VMImages", "VZEngine", "Launch", "Settings", "Sockets",
                "TLS",
                arguments,
                logging, lifecycle, signals,
            ]),
        daemon("vm-host", ["VMHost", "Launch", arguments, logging]),
        daemon(
            "vk-adapter",
            ["KubeAPI", "VKAdapter", "Launch", "Settings", "Sockets", "TLS", arguments, logging, lifecycle]),

        // Measures encoding and decoding; `make bench` runs it.
        .executableTarget(
            name: "proto-bench", dependencies: ["Proto", "RPC", nio[0]], path: "Benchmarks/proto-bench",
            swiftSettings: swiftSettings),

        // What the measurements of machines share.
        .target(name: "Measuring", path: "Benchmarks/measuring", swiftSettings: swiftSettings),

        // Measures the start of machines; `make bench` runs it.
        .executableTarget(
            name: "vm-bench", dependencies: ["Measuring", "Proto", "RPC", "Processes", "Sockets", logging, nio[2]],
            path: "Benchmarks/vm-bench", swiftSettings: swiftSettings),

        // Measures clones of disks; `make bench` runs it.
        .executableTarget(
            name: "clone-bench", dependencies: clonefile + ["Measuring", "VZEngine"], path: "Benchmarks/clone-bench",
            swiftSettings: swiftSettings),

        // Measures pulls of images; `make bench` runs it.
        .executableTarget(
            name: "image-bench", dependencies: ["Measuring", "Registry", "RegistryDouble", "VMImages", logging],
            path: "Benchmarks/image-bench", swiftSettings: swiftSettings),

        // Measures the reading of logs; `make bench` runs it.
        .executableTarget(
            name: "log-bench",
            dependencies: ["Measuring", "HTTP", "HostFiles", "TLS", logging, nioHTTP1, nio[0], nio[2]],
            path: "Benchmarks/log-bench", swiftSettings: swiftSettings),

        // Measures commands in a guest; `make bench` runs it.
        .executableTarget(
            name: "ssh-bench", dependencies: ["Measuring", "GuestSSH", "CSSH2", logging, nio[0]],
            path: "Benchmarks/ssh-bench", swiftSettings: swiftSettings),

        // Tests
        .target(
            name: "Support", dependencies: nio + [logging], path: "Tests/Support", swiftSettings: swiftSettings),
        // An API server in the test's own process.
        .target(
            name: "APIServer", dependencies: nio + [nioHTTP1, "HTTP", "KubeAPI", "Support", logging],
            path: "Tests/APIServer", swiftSettings: swiftSettings),
        // Registries for tests: one that misbehaves, and a real one.
        .target(
            name: "RegistryDouble",
            dependencies: nio + [nioHTTP1, "HTTP", "Registry", "Sockets", "Support", "TLS", logging],
            path: "Tests/RegistryDouble", swiftSettings: swiftSettings),
        // What every engine promises: one suite, run over each of them.
        .target(
            name: "EngineContract", dependencies: nio + ["VZEngine", "Processes", "Support"],
            path: "Tests/EngineContract", swiftSettings: swiftSettings),
        tests("Architecture", ["Support"]),
        tests("SocketsTests", nio + ["Sockets", "Support"]),
        tests("TLSTests", nio + ["TLS", "Support", nioEmbedded]),
        tests(
            "RPCTests", nio + ["RPC", "Sockets", "TLS", "CNGHTTP2", "Support", nioEmbedded, logging],
            exclude: ["Interop/client.py", "Interop/server.py"]),
        tests(
            "ProtoTests", nio + ["Proto", "CProto", "CProtobufC", "RPC", "Support", "proto-gen"],
            exclude: ["cri-wire-facts.tsv"]),
        tests("HTTPTests", nio + [nioHTTP1, "HTTP", "Sockets", "TLS", "Support", nioEmbedded, logging]),
        tests(
            "StreamingTests",
            nio + [nioHTTP1, "Streaming", "HTTP", "Sockets", "CZlib", "Support", nioEmbedded, logging]),
        tests("HostFilesTests", nio + ["HostFiles", "Support"]),
        tests("DockerTests", nio + [nioHTTP1, "Docker", "HTTP", "Sockets", "Support", logging]),
        tests("WaitingTests", ["Waiting"]),
        tests("ProcessesTests", nio + ["Processes", "Support", logging]),
        tests("GuestSSHTests", nio + ["GuestSSH", "CSSH2", "Processes", "Support", logging]),
        tests(
            "RegistryTests",
            nio + [nioHTTP1, "Registry", "RegistryDouble", "HTTP", "Sockets", "TLS", "Support", logging]),
        tests("NBDTests", nio + ["NBD", "Processes", "Sockets", "Support", logging]),
        tests(
            "VMImagesTests",
            nio + [
                "VMImages", "NBD", "Registry", "RegistryDouble", "CZlib", "CLZ4", "HostFiles", "Processes", "Support",
                logging,
            ]),
        tests(
            "VZEngineTests",
            nio + clonefile + ["VZEngine", "HostFiles", "Processes", "Sockets", "EngineContract", "Support", logging]),
        .testTarget(
            name: "VZEngineAppleTests",
            dependencies: nio + virtualization + [
                "VZEngineApple", "VZEngine", "Processes", "EngineContract", "Support", logging,
            ], swiftSettings: swiftSettings + virtualizationSettings),
        tests(
            "VMHostTests",
            nio + [
                "VMHost", "VZEngine", "GuestSSH", "HostFiles", "Processes", "Sockets", "Support", "vm-host", logging,
            ]),
        tests("DoctorTests", nio + ["Doctor", "Docker", "Sockets", "Support", logging]),
        tests(
            "KubeAPITests",
            nio + [
                nioHTTP1, nioHTTP2, nioEmbedded, "KubeAPI", "APIServer", "HTTP", "Sockets", "TLS", "Support", logging,
            ]),
        tests("SettingsTests", ["Settings", "Support"]),
        tests("LaunchTests", ["Launch", "Settings", "Support", arguments, logging]),
        tests(
            "CRIShimTests",
            nio + clonefile + [
                nioHTTP1, "CRIShim", "RPC", "Proto", "HTTP", "Streaming", "Docker", "HostFiles", "Processes",
                "Registry", "RegistryDouble", "TLS", "VMImages", "Waiting",
                "VZEngine", "Sockets", "Support", logging,
            ]),
        tests(
            "CRIControlTests", nio + ["CRIControl", "RPC", "Proto", "Streaming", "HTTP", "Sockets", "Support", logging]),
        tests(
            "VKAdapterTests",
            nio + [
                nioHTTP1, "VKAdapter", "RPC", "Proto", "HTTP", "Streaming", "KubeAPI", "HostFiles", "Sockets", "TLS",
                "APIServer", "Support",
                logging, lifecycle,
            ]),
        // Both ends of the host service: the shim's, and what the adapter makes of it.
        tests(
            "HostServiceTests",
            nio + ["CRIShim", "VKAdapter", "RPC", "Proto", "KubeAPI", "HostFiles", "Sockets", "Support", logging]),
        // Drives the built executables as a user would.
        tests(
            "E2E",
            nio + appleHost + [
                nioHTTP1, "RPC", "Proto", "HTTP", "Streaming", "HostFiles", "Processes", "Sockets", "TLS", "KubeAPI",
                "APIServer", "RegistryDouble", "Support", "cri-shim", "vk-adapter", "vm-host", logging,
            ]),
    ] + virtualizationTargets
)
