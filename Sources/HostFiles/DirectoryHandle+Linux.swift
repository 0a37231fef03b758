#if os(Linux)
import Glibc

extension DirectoryHandle {
    /// What is mounted at a directory in this one or below it. A bind mount of the same file system has the device
    /// number of what is around it; only the table of mounts tells.
    func mountPoints(at name: String) throws -> [String] {
        var buffer = [UInt8](repeating: 0, count: Int(PATH_MAX))
        let link = "/proc/self/fd/\(descriptor)"
        let length = buffer.withUnsafeMutableBytes { bytes in
            bytes.withMemoryRebound(to: CChar.self) { readlink(link, $0.baseAddress!, $0.count) }
        }
        guard length > 0 else { throw HostFilesError.system("find the place of \(path)") }
        let here = buffer[..<length] == [UInt8(ascii: "/")] ? [] : Array(buffer[..<length])
        let target = here + [UInt8(ascii: "/")] + Array(name.utf8)
        return Self.mountPoints(at: target, in: try Self.table())
    }

    /// Files of the system say that they are empty: read until the end.
    private static func table() throws -> [UInt8] {
        let descriptor = systemOpen("/proc/self/mountinfo", O_RDONLY | O_CLOEXEC, 0)
        guard descriptor >= 0 else { throw HostFilesError.system("read the table of mounts") }
        defer { _ = systemClose(descriptor) }
        var bytes: [UInt8] = []
        while case let more = try Files.read(descriptor, at: Int64(bytes.count), count: 64 << 10), !more.isEmpty {
            bytes += more
        }
        return bytes
    }

    /// The fifth field of each line (proc(5)), octal escapes undone.
    static func mountPoints(at target: [UInt8], in table: [UInt8]) -> [String] {
        table.split(separator: UInt8(ascii: "\n")).compactMap { line in
            let fields = line.split(separator: UInt8(ascii: " "), maxSplits: 5)
            guard fields.count > 4 else { return nil }
            let point = unescaped(fields[4])
            return point == target || point.starts(with: target + [UInt8(ascii: "/")])
                ? String(decoding: point, as: UTF8.self) : nil
        }
    }

    private static func unescaped(_ field: ArraySlice<UInt8>) -> [UInt8] {
        var (result, rest) = ([UInt8](), field)
        while let byte = rest.popFirst() {
            if byte == UInt8(ascii: "\\"), let code = UInt8(String(decoding: rest.prefix(3), as: UTF8.self), radix: 8) {
                result.append(code)
                rest = rest.dropFirst(3)
            } else {
                result.append(byte)
            }
        }
        return result
    }
}
#endif
