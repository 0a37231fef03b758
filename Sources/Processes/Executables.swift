#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Where programs are.
public enum Executables {
    /// Administrators' programs are not in every user's `PATH`.
    private static let further = ["/usr/sbin", "/sbin", "/usr/local/sbin", "/opt/homebrew/bin", "/usr/local/bin"]

    /// - Throws: `ProcessError` with `notFound`.
    public static func find(_ name: String) throws -> String {
        if name.contains("/") {
            guard access(name, X_OK) == 0 else {
                throw ProcessError(.notFound, "\(name) cannot be run: \(String(cString: strerror(errno)))")
            }
            return name
        }
        let path = getenv("PATH").map { String(cString: $0) } ?? "/usr/bin:/bin"
        for directory in path.split(separator: ":").map(String.init) + further {
            let candidate = directory + "/" + name
            if access(candidate, X_OK) == 0 { return candidate }
        }
        throw ProcessError(.notFound, "there is no program \(name) in PATH: install it")
    }

    static func open(_ path: String, _ flags: Int32) -> Int32 {
        #if canImport(Glibc)
        Glibc.open(path, flags, 0o600)
        #else
        Darwin.open(path, flags, 0o600)
        #endif
    }
}
