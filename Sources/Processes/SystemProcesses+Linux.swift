#if os(Linux)
import Glibc

enum SystemProcesses {
    /// Clock ticks from boot to the process's start. nil when there is no such process, or only a zombie.
    static func startTime(of id: Int32) -> UInt64? {
        guard id > 0, let text = read("/proc/\(id)/stat"), let name = text.lastIndex(of: ")") else { return nil }
        // After the name, which may hold anything: state is the first field, the number of threads the eighteenth, the start
        // time the twentieth.
        let fields = text[text.index(after: name)...].split(separator: " ")
        guard fields.count > 19, fields[0] != "X" else { return nil }
        // Its first thread may end before the others, who still hold its files and devices: it is over with the last of them.
        if fields[0] == "Z", (Int(fields[17]) ?? 1) <= 1 { return nil }
        return UInt64(fields[19])
    }

    static let bootID: String = {
        let text = read("/proc/sys/kernel/random/boot_id") ?? ""
        return String(text.prefix { !$0.isWhitespace })
    }()

    /// CAP_NET_ADMIN and CAP_SYS_ADMIN.
    static var mayAdministerNetworks: Bool {
        let lines = (read("/proc/self/status") ?? "").split(separator: "\n")
        guard let line = lines.first(where: { $0.hasPrefix("CapEff:") }),
            let capabilities = UInt64(line.dropFirst("CapEff:".count).filter { !$0.isWhitespace }, radix: 16)
        else { return false }
        return capabilities & (1 << 12) != 0 && capabilities & (1 << 21) != 0
    }

    private static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { close(descriptor) }
        let bytes = [UInt8](unsafeUninitializedCapacity: 4096) { buffer, count in
            count = max(0, Glibc.read(descriptor, buffer.baseAddress, buffer.count))
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
#endif
