import Dispatch
import Logging
import Measuring
import Registry
import RegistryDouble
import VMImages

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What a pull of an image costs: half of its disk is zeros, a quarter can be compressed, a quarter cannot. Beside it, in
/// interleaved rounds, what the programs of the system take for the same bytes from files of this host: gzip and a digest, as
/// the reference does it, and zstd and the digests of both sides.
///
///     image-bench DIRECTORY MEBIBYTES ROUNDS
enum ImageBench {
    static func main() async {
        let arguments = CommandLine.arguments
        guard arguments.count == 4, let size = Int(arguments[2]), size >= 64, let rounds = Int(arguments[3]), rounds > 0
        else { Measuring.fail("image-bench", "usage: image-bench DIRECTORY MEBIBYTES ROUNDS") }
        do {
            try await DockerRegistry.run { registry in
                try await ImageBench.run(registry, arguments[1], size, rounds)
            }
        } catch {
            Measuring.fail("image-bench", "\(error)")
        }
    }

    private static func run(_ registry: DockerRegistry, _ directory: String, _ size: Int, _ rounds: Int) async throws {
        let disk = directory + "/disk"
        try DiskMaker.make(disk, mebibytes: size)
        var logger = Logger(label: "image-bench")
        logger.logLevel = .warning
        let store = ImageStore(directory: directory + "/pushed", logger: logger)
        let reference = try ImageReference(parsing: "\(registry.address)/bench/disk:1")
        _ = try store.importImage(
            ImageImport(name: reference.canonical, boot: .efi(variables: nil), disks: [disk]))
        let client = RegistryClient(logger: logger)
        let repository = try await client.repository(reference)
        let push = try await ContinuousClock().measure {
            _ = try await ImagePusher(store: store).push(reference.canonical, to: repository, tag: "1")
        }
        print("push: \(Measuring.text(push / .seconds(1))) s")
        let image = try await repository.resolve("1")
        try shell("gzip -c -1 '\(disk)' > '\(disk).gz' && zstd -q -f -T0 '\(disk)' -o '\(disk).zst'")

        var times: [String: [Double]] = [:]
        var most = 0
        // The first round only warms.
        for round in 0...rounds {
            for way in round % 2 == 0 ? ["pull", "gzip", "zstd"] : ["zstd", "gzip", "pull"] {
                let target = "\(directory)/target"
                try shell("rm -rf '\(target)'; sync -f '\(directory)'")
                let memory = MemoryWatch()
                let time = try await ContinuousClock().measure {
                    switch way {
                    case "pull":
                        let fresh = ImageStore(directory: target, logger: logger)
                        _ = try await ImagePuller(store: fresh)
                            .pull(reference, manifest: image.bytes, from: repository)
                    case "gzip":
                        // What is compressed comes to a file first, as there.
                        try shell(
                            "cp '\(disk).gz' '\(target)' && gzip -dc '\(target)' | tee '\(target).raw' | openssl dgst -sha256 "
                                + "> /dev/null && sync '\(target).raw' && rm '\(target).raw'")
                    default:
                        try shell(
                            "zstd -q -d -T0 -f '\(disk).zst' -o '\(target)' && openssl dgst -sha256 '\(disk).zst' "
                                + "'\(target)' > /dev/null && sync '\(target)'")
                    }
                }
                if way == "pull" { most = max(most, memory.stop()) }
                if round > 0 { times[way, default: []].append(time / .seconds(1)) }
            }
        }
        await client.shutdown()
        let pull = Measuring.median(times["pull"] ?? [0])
        for way in ["pull", "gzip", "zstd"] {
            print("\(way): \(Measuring.text(Measuring.median(times[way] ?? [0]))) s")
        }
        let (gzip, zstd) = (
            Measuring.median(times["gzip"] ?? [0]) / pull, pull / Measuring.median(times["zstd"] ?? [1])
        )
        print(
            "as fast as gzip and a digest: \(Measuring.text(gzip)) times; wanted at least 3: \(gzip >= 3 ? "met" : "missed")"
        )
        print(
            "of the time of zstd and two digests: \(Measuring.text(zstd)); wanted at most 1.3: \(zstd <= 1.3 ? "met" : "missed")"
        )
        if most > 0 {
            print("RssAnon: \(most) MiB at most; wanted below 256: \(most < 256 ? "met" : "missed")")
        }
    }

    static func shell(_ command: String) throws {
        var id = pid_t()
        let words = ["sh", "-c", command]
        var pointers = words.map { strdup($0) } + [nil]
        defer { for pointer in pointers { free(pointer) } }
        guard posix_spawn(&id, "/bin/sh", nil, nil, &pointers, environ) == 0 else {
            throw BenchError(description: "/bin/sh cannot be started")
        }
        var status: Int32 = 0
        while waitpid(id, &status, 0) < 0, errno == EINTR {}
        guard status == 0 else { throw BenchError(description: "\(command) failed") }
    }
}

/// A disk with zeros, text, and noise, in stretches of 16 MiB.
enum DiskMaker {
    static func make(_ path: String, mebibytes: Int) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(descriptor) }
        guard descriptor >= 0, ftruncate(descriptor, off_t(mebibytes) << 20) == 0 else {
            throw BenchError(description: "\(path) cannot be made")
        }
        let words = ["image ", "machine ", "registry ", "frame ", "index ", "\n", "0123 ", "of the "].map {
            Array($0.utf8)
        }
        var random = SystemRandomNumberGenerator()
        for stretch in stride(from: 0, to: mebibytes, by: 16) {
            let kind = stretch / 16 % 4
            guard kind > 1 else { continue }
            var bytes: [UInt8] = []
            bytes.reserveCapacity(17 << 20)
            let count = min(16, mebibytes - stretch) << 20
            while bytes.count < count {
                var number = random.next()
                for _ in 0..<8 {
                    if kind == 2 {
                        bytes += words[Int(number & 7)]
                    } else {
                        bytes.append(UInt8(truncatingIfNeeded: number))
                    }
                    number >>= 8
                }
            }
            guard pwrite(descriptor, bytes, count, off_t(stretch) << 20) == count else {
                throw BenchError(description: "\(path) cannot be written")
            }
        }
        guard fsync(descriptor) == 0 else { throw BenchError(description: "\(path) cannot be written") }
    }
}

/// The most anonymous memory that this process has, looked at many times a second. Linux; 0 elsewhere.
final class MemoryWatch: @unchecked Sendable {
    // Touched by the timer's queue alone.
    private var most = 0
    private let queue = DispatchQueue(label: "memory")
    private let timer: any DispatchSourceTimer

    init() {
        timer = DispatchSource.makeTimerSource(queue: queue)
        timer.schedule(deadline: .now(), repeating: .milliseconds(50))
        timer.setEventHandler { [weak self] in self?.look() }
        timer.activate()
    }

    /// In MiB.
    func stop() -> Int {
        timer.cancel()
        return queue.sync {
            look()
            return most
        }
    }

    private func look() {
        guard let file = fopen("/proc/self/status", "r") else { return }
        defer { fclose(file) }
        var line = [CChar](repeating: 0, count: 256)
        while fgets(&line, 256, file) != nil {
            let text = String(decoding: line.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
            guard text.hasPrefix("RssAnon:") else { continue }
            most = max(most, (Int(text.filter(\.isNumber)) ?? 0) >> 10)
        }
    }
}
