#if os(Linux)
import HostFiles
import Sockets

extension SystemFacts {
    static var machineID: String { line("/etc/machine-id") ?? "" }
    static var bootID: String { line("/proc/sys/kernel/random/boot_id") ?? "" }

    /// Whether the containers of that runtime, when they are this host's, can be held to AppArmor profiles.
    static func hasAppArmor(of runtime: Endpoint) -> Bool? {
        guard case .unix = runtime else { return nil }
        return line("/sys/module/apparmor/parameters/enabled") == "Y"
    }

    static var osImage: String? {
        guard let bytes = try? SmallFile.read("/etc/os-release", limit: 1 << 16) else { return nil }
        let name = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
        return name.map { $0.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" } }
    }
}
#endif
