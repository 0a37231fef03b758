import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

enum Pipes {
    /// Not for children of this process.
    static func make() throws -> (read: Int32, write: Int32) {
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else {
            throw VZEngineError(.exhausted, "cannot make a pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    static func close(_ descriptor: Int32) { _ = closeDescriptor(descriptor) }
}

private func closeDescriptor(_ number: Int32) -> Int32 { close(number) }
