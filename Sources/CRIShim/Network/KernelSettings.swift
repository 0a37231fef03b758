#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Settings below /proc/sys. All of this blocks.
enum KernelSettings {
    /// - Throws: `failed`; `unsupported` when the kernel has no such setting.
    static func set(_ name: String, to value: String) throws {
        let path = "/proc/sys/" + (try relativePath(name))
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            if errno == ENOENT { throw ShimError(.unsupported, "this kernel has no setting \(name)") }
            throw RootDirectory.failure("setting \(name) to \(value)", errno)
        }
        defer { close(descriptor) }
        let bytes = Array(value.utf8)
        guard write(descriptor, bytes, bytes.count) == bytes.count else {
            let code = errno
            guard code != EINVAL else {
                throw ShimError(.invalidArgument, "the kernel takes no \"\(value)\" for \(name)")
            }
            throw RootDirectory.failure("setting \(name) to \(value)", code)
        }
    }

    /// As sysctl(8) reads names: the first separator says which the others are.
    static func relativePath(_ name: String) throws -> String {
        let separator = name.first { $0 == "." || $0 == "/" } ?? "."
        // With dots, slashes stand for the dots inside of one part.
        let parts = name.split(separator: separator, omittingEmptySubsequences: false).map {
            separator == "." ? String($0.map { $0 == "/" ? "." : $0 }) : String($0)
        }
        let isSane = parts.allSatisfy { part in
            !part.isEmpty && part != "." && part != ".."
                && part.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "_-.:@".contains($0)) }
        }
        guard isSane else { throw ShimError(.invalidArgument, "\"\(name)\" is no name of a kernel setting") }
        return parts.joined(separator: "/")
    }

    /// Those of a sandbox that belong to its network namespace.
    static func ofNetwork(_ settings: [String: String]) -> [String: String] {
        settings.filter { isOfNetwork($0.key) }
    }

    static func isOfNetwork(_ name: String) -> Bool { name.hasPrefix("net.") || name.hasPrefix("net/") }
}
