#if os(Linux)
import HostFiles

extension SystemFacts {
    static var machineID: String { line("/etc/machine-id") ?? "" }
    static var bootID: String { line("/proc/sys/kernel/random/boot_id") ?? "" }

    static var osImage: String? {
        guard let bytes = try? SmallFile.read("/etc/os-release", limit: 1 << 16) else { return nil }
        let name = String(decoding: bytes, as: UTF8.self).split(separator: "\n").first { $0.hasPrefix("PRETTY_NAME=") }
        return name.map { $0.dropFirst("PRETTY_NAME=".count).filter { $0 != "\"" } }
    }
}
#endif
