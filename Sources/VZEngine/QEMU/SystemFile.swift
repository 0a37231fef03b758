#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Small files, and those the system makes up, which do not say their size. All of this blocks.
enum SystemFile {
    static func read(_ path: String) throws -> [UInt8] {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw VZEngineError.system("open \(path)") }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 64 << 10)
        while true {
            let count = systemRead(descriptor, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw VZEngineError.system("read \(path)") }
            if count == 0 { return bytes }
            bytes += chunk[..<count]
        }
    }

    static func text(_ path: String) throws -> String { String(decoding: try read(path), as: UTF8.self) }

    /// One write into a file that is there: what the system's control files take.
    static func write(_ text: String, to path: String) throws {
        let descriptor = open(path, O_WRONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw VZEngineError.system("open \(path)") }
        defer { close(descriptor) }
        let bytes = Array(text.utf8)
        guard systemWrite(descriptor, bytes, bytes.count) == bytes.count else {
            throw VZEngineError.system("write \(text) to \(path)")
        }
    }
}

private func systemRead(_ descriptor: Int32, _ bytes: UnsafeMutableRawPointer, _ count: Int) -> Int {
    read(descriptor, bytes, count)
}

private func systemWrite(_ descriptor: Int32, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    write(descriptor, bytes, count)
}

extension VZEngineError {
    /// What the last system call said.
    static func system(_ what: String, _ code: Code = .failed) -> VZEngineError {
        let number = errno
        let full = number == ENOSPC || number == EDQUOT || number == ENOMEM
        return VZEngineError(full ? .exhausted : code, "cannot \(what): \(String(cString: strerror(number)))")
    }
}
