import Logging
import Measuring
import Registry
import RegistryDouble
import Synchronization
import VMImages

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// What a pull of an image costs: half of its disk is zeros, a quarter can be compressed, a quarter cannot. Beside it, in
/// interleaved rounds, what the programs of the system take for the same bytes from files of this host: gzip and a digest, as
/// the reference does it, and zstd and the digests of both sides. Each is a process of its own. At last, how much of the image
/// moves again when a disk was changed here and there.
///
///     image-bench DIRECTORY MEBIBYTES ROUNDS
enum ImageBench {
    static func main() async {
        let arguments = CommandLine.arguments
        do {
            if arguments.count == 4, arguments[1] == "pull" { return try await pull(arguments[3], to: arguments[2]) }
        } catch {
            Measuring.fail("image-bench pull", "\(error)")
        }
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
        try shell("gzip -c -1 '\(disk)' > '\(disk).gz' && zstd -q -f -T0 '\(disk)' -o '\(disk).zst'")

        var times: [String: [Double]] = [:]
        var most = 0
        var whole = 0
        let target = "\(directory)/target"
        // The first round only warms.
        for round in 0...rounds {
            for way in round % 2 == 0 ? ["pull", "gzip", "zstd"] : ["zstd", "gzip", "pull"] {
                try shell("rm -rf '\(target)'; sync -f '\(directory)'")
                let time = try ContinuousClock().measure {
                    switch way {
                    case "pull":
                        let facts = try pulled(reference, to: target)
                        whole = facts.moved
                        most = max(most, facts.mebibytes)
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
                if round > 0 { times[way, default: []].append(time / .seconds(1)) }
            }
        }
        report(times, most)

        try shell("rm -rf '\(target)' '\(disk).gz' '\(disk).zst'")
        _ = try pulled(reference, to: target)
        // Of 8 GiB: 163.
        let extents = max(1, size * 163 / 8192)
        try DiskMaker.rewrite(disk, mebibytes: size, extents: extents)
        let child = try ImageReference(parsing: "\(registry.address)/bench/disk:2")
        _ = try await store.commit(ImageCommit(name: child.canonical, base: reference.canonical, disks: [disk]))
        _ = try await ImagePusher(store: store).push(child.canonical, to: repository, tag: "2")
        await client.shutdown()
        let moved = try pulled(child, to: target).moved
        let share = Double(moved) / Double(whole)
        print(
            "\(extents) extents of 1 MiB rewritten: \(Measuring.text(share)) of the bytes move again; wanted at most 0.12: "
                + (share <= 0.12 ? "met" : "missed"))
    }

    private static let logger = {
        var logger = Logger(label: "image-bench")
        logger.logLevel = .warning
        return logger
    }()

    /// What `image-bench pull DIRECTORY REFERENCE` does: says how many bytes came, and the most memory it had.
    private static func pull(_ name: String, to directory: String) async throws {
        let memory = MemoryWatch()
        let client = RegistryClient(logger: logger)
        let reference = try ImageReference(parsing: name)
        let repository = try await client.repository(reference)
        let image = try await repository.resolve(reference.tag ?? "latest")
        let moved = Mutex<Int64>(0)
        _ = try await ImagePuller(store: ImageStore(directory: directory, logger: logger))
            .pull(reference, manifest: image.bytes, from: repository) { progress in
                moved.withLock { $0 = progress.done }
            }
        await client.shutdown()
        print("\(moved.withLock { $0 }) \(memory.stop())")
    }

    /// Runs this program to pull.
    private static func pulled(
        _ reference: ImageReference, to directory: String
    ) throws -> (moved: Int, mebibytes: Int) {
        let said = popen("'\(CommandLine.arguments[0])' pull '\(directory)' '\(reference.canonical)'", "r")
        guard let said else { throw BenchError(description: "/bin/sh cannot be started") }
        var line = [UInt8](repeating: 0, count: 64)
        let count = fread(&line, 1, line.count, said)
        let numbers = String(decoding: line[..<count], as: UTF8.self).split(whereSeparator: \.isWhitespace)
            .compactMap { Int($0) }
        guard pclose(said) == 0, numbers.count == 2 else { throw BenchError(description: "a pull failed") }
        return (numbers[0], numbers[1])
    }

    private static func report(_ times: [String: [Double]], _ most: Int) {
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
