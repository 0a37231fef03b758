import Measuring
import VZEngine

#if canImport(Clonefile)
import Clonefile
#endif

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What a clone of a disk costs: one of 100 GB beside one of 1 GB, both with all their blocks, in interleaved rounds.
///
///     clone-bench DIRECTORY ROUNDS
enum CloneBench {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 3, let rounds = Int(arguments[2]), rounds > 0 else {
            fail("usage: clone-bench DIRECTORY ROUNDS")
        }
        do {
            let directory = arguments[1]
            let bases = [directory + "/small", directory + "/large"]
            for (base, size) in zip(bases, [1, 100]) { try makeDisk(base, gigabytes: size) }
            for way in Self.ways { try await measure(way, bases, directory + "/clone", rounds) }
        } catch {
            fail("\(error)")
        }
    }

    private struct Way {
        var name: String
        var method: DiskClone.Method
        var sharing = BlockSharing.system
    }

    private static var ways: [Way] {
        var ways = [Way(name: "overlay", method: .overlay)]
        #if canImport(Clonefile)
        ways.append(Way(name: "reflink", method: .reflink))
        let double = ClonefileDouble(copies: false)
        ways.append(Way(name: "clonefile's double", method: .reflink, sharing: .clonefile(double.call)))
        #else
        ways.append(Way(name: "clonefile", method: .reflink))
        #endif
        return ways
    }

    private static func measure(
        _ way: Way, _ bases: [String], _ path: String, _ rounds: Int
    ) async throws {
        // Before anything is removed there: file systems free blocks when they like.
        let first = path + "-" + way.name
        let before = try free(path)
        _ = try await DiskClone.make(
            of: bases[1], format: .raw, at: first, method: way.method, sharing: way.sharing)
        let file = open(first, O_RDONLY)
        fsync(file)
        close(file)
        let written = max(0, before - (try free(path)))
        var times: [[Double]] = [[], []]
        // The first round only warms.
        for round in 0...rounds {
            for which in round % 2 == 0 ? [0, 1] : [1, 0] {
                let time = try await ContinuousClock().measure {
                    _ = try await DiskClone.make(
                        of: bases[which], format: .raw, at: path, method: way.method, sharing: way.sharing)
                }
                unlink(path)
                if round > 0 { times[which].append(time / .milliseconds(1)) }
            }
        }
        let (small, large) = (Measuring.median(times[0]), Measuring.median(times[1]))
        let isMet = large <= small * 1.5 && written < 1 << 20
        print(
            "\(way.name): 100 GB \(Measuring.text(large)) ms, 1 GB \(Measuring.text(small)) ms: \(Measuring.text(large / small)) of its time; "
                + "\(written / 1024) KiB written; wanted at most 1.500, below 1024 KiB: \(isMet ? "met" : "missed")")
    }

    private static func makeDisk(_ path: String, gigabytes: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
        defer { close(descriptor) }
        #if canImport(Glibc)
        let isMade = descriptor >= 0 && posix_fallocate(descriptor, 0, off_t(gigabytes) * 1_000_000_000) == 0
        #else
        let isMade = descriptor >= 0 && ftruncate(descriptor, off_t(gigabytes) * 1_000_000_000) == 0
        #endif
        guard isMade, fsync(descriptor) == 0 else { throw BenchError(description: "\(path) cannot be made") }
    }

    private static func free(_ path: String) throws -> Int64 {
        var status = statvfs()
        let directory = String(path[..<(path.lastIndex(of: "/") ?? path.endIndex)])
        guard statvfs(directory, &status) == 0 else {
            throw BenchError(description: "\(directory) cannot be looked at")
        }
        return Int64(status.f_bfree) * Int64(status.f_frsize)
    }

    private static func fail(_ text: String) -> Never { Measuring.fail("clone-bench", text) }
}
