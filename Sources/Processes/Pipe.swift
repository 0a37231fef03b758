import CSpawn

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A pipe whose ends no other program inherits, and which are closed at the latest with it.
final class Pipe: @unchecked Sendable {
    // Each end is used by one task at a time, which closes it; the other tasks have been awaited when deinit runs.
    private(set) var reading: Int32
    private(set) var writing: Int32

    init() throws {
        var ends: [Int32] = [-1, -1]
        guard vz_pipe(&ends) == 0 else {
            throw ProcessError(.notStarted, "making a pipe failed: \(String(cString: strerror(errno)))")
        }
        (reading, writing) = (ends[0], ends[1])
    }

    deinit { closeBoth() }

    func closeWriting() {
        if writing >= 0 { close(writing) }
        writing = -1
    }

    func closeBoth() {
        closeWriting()
        if reading >= 0 { close(reading) }
        reading = -1
    }

    /// Somebody else closes the end to read from.
    func gaveReading() { reading = -1 }

    /// Puts everything into the pipe before anybody reads.
    func fill(_ bytes: [UInt8]) throws {
        guard bytes.count <= 65536 else {
            throw ProcessError(.notStarted, "\(bytes.count) bytes are more than a program can be given here")
        }
        guard bytes.isEmpty || write(writing, bytes, bytes.count) == bytes.count else {
            throw ProcessError(.notStarted, "filling a pipe failed: \(String(cString: strerror(errno)))")
        }
        closeWriting()
    }
}
