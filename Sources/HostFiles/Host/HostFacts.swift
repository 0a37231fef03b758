#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What this host is. None of it changes while it runs.
public struct HostFacts: Sendable, Hashable {
    public var hostname = ""
    /// `linux` or `darwin`.
    public var operatingSystem = ""
    /// Go's names, which Kubernetes uses: `amd64`, `arm64`.
    public var architecture = ""
    public var kernelVersion = ""
    /// As a person knows it; empty when the system does not say.
    public var osImage = ""
    public var machineID = ""
    public var bootID = ""
    public var cpuCount = 0
    public var memoryBytes: UInt64 = 0

    public init() {}

    /// Blocks for a moment. What the system does not tell stays empty.
    public static func current() -> HostFacts {
        var names = utsname()
        uname(&names)
        var facts = HostFacts()
        facts.hostname = text(of: names.nodename)
        facts.operatingSystem = text(of: names.sysname).lowercased()
        facts.kernelVersion = text(of: names.release)
        facts.architecture =
            switch text(of: names.machine) {
            case "x86_64": "amd64"
            case "aarch64": "arm64"
            case let other: other
            }
        facts.cpuCount = max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN)))
        let pages = sysconf(Int32(_SC_PHYS_PAGES))
        if pages > 0 { facts.memoryBytes = UInt64(pages) * UInt64(sysconf(Int32(_SC_PAGESIZE))) }
        facts.addIdentity()
        return facts
    }

    private static func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// What this host has used and has left.
public struct HostUsage: Sendable, Hashable {
    /// Of all processors since the host was started.
    public var cpuNanoseconds: UInt64 = 0
    public var memoryAvailableBytes: UInt64 = 0
    /// What cannot be taken back at once.
    public var memoryWorkingSetBytes: UInt64 = 0
    /// How many processes and threads there are, and how many there can be; 0 where the host does not say.
    public var processes: UInt64 = 0
    public var processLimit: UInt64 = 0

    public init() {}
}
