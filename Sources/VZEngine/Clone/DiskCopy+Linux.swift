#if os(Linux)
import Glibc

extension DiskCopy {
    private static let data: Int32 = 3  // SEEK_DATA
    private static let hole: Int32 = 4  // SEEK_HOLE

    /// Holes stay holes. Blocks as long as copying takes.
    static func contents(of base: String, to path: String) throws {
        let source = Descriptor(open(base, O_RDONLY | O_CLOEXEC))
        guard source.number >= 0 else { throw VZEngineError.system("open the disk \(base)") }
        let target = Descriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        guard target.number >= 0 else { throw VZEngineError.system("make the disk \(path)") }
        do {
            try contents(of: source, base, to: target, path)
        } catch {
            unlink(path)
            throw error
        }
    }

    private static func contents(of source: Descriptor, _ base: String, to target: Descriptor, _ path: String) throws {
        let size = lseek(source.number, 0, SEEK_END)
        guard size >= 0, ftruncate(target.number, size) == 0 else {
            throw VZEngineError.system("make the disk \(path)")
        }
        var place: off_t = 0
        while place < size {
            place = lseek(source.number, place, data)
            // Nothing but a hole to the end.
            if place < 0, errno == ENXIO { break }
            let end = place < 0 ? -1 : lseek(source.number, place, hole)
            guard end >= 0 else { throw VZEngineError.system("read the disk \(base)") }
            try copy(place, end, source, target, path)
            place = end
        }
        guard fsync(target.number) == 0 else { throw VZEngineError.system("write the disk \(path)") }
    }

    private static func copy(
        _ start: off_t, _ end: off_t, _ source: Descriptor, _ target: Descriptor, _ path: String
    ) throws {
        guard lseek(source.number, start, SEEK_SET) == start, lseek(target.number, start, SEEK_SET) == start else {
            throw VZEngineError.system("write the disk \(path)")
        }
        var left = Int(end - start)
        var chunk = [UInt8](repeating: 0, count: 1 << 20)
        while left > 0 {
            let count = read(source.number, &chunk, min(left, chunk.count))
            guard count > 0 else { throw VZEngineError.system("read the disk for \(path)") }
            var written = 0
            while written < count {
                let more = chunk.withUnsafeBytes { write(target.number, $0.baseAddress! + written, count - written) }
                guard more > 0 else { throw VZEngineError.system("write the disk \(path)") }
                written += more
            }
            left -= count
        }
    }
}
#endif
