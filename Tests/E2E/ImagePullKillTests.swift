import Foundation
import RegistryDouble
import Support
import Testing

/// Pulls that are killed, and what damage is made good: as a user does it, with a real registry.
@Suite(.enabled(if: DockerRegistry.isAvailable, "docker-registry is not installed: scripts/deps install test"))
struct ImagePullKillTests {
    private func image(_ arguments: String..., root: String) async throws -> ChildProcess.Outcome {
        try await Programs.run("cri-shim", ["image"] + arguments + ["--root", root])
    }

    private func disk(_ root: String) throws -> Data {
        let directory = root + "/images/disks/sha256"
        let names = try FileManager.default.contentsOfDirectory(atPath: directory)
        #expect(names.count == 1)
        return try Data(contentsOf: URL(filePath: directory + "/" + (names.first ?? "")))
    }

    /// Noise and zeros.
    private func content(_ random: inout SeededRandom) -> Data {
        var content = Data(count: 8 << 20)
        for _ in 0..<(64 << 17) { withUnsafeBytes(of: random.next()) { content.append(contentsOf: $0) } }
        content.append(Data(count: 8 << 20))
        return content
    }

    @Test("a pull that is killed at any moment goes on, and the disk is right")
    func killed() async throws {
        var random = Faults.random("killed pulls")
        let content = content(&random)
        let (rounds, name) = (Faults.rounds, "team/guest:1")
        let delays = (0..<rounds).map { _ in Int.random(in: 20...500, using: &random) }
        try await DockerRegistry.run { registry in
            try await withTemporaryDirectory { directory in
                let file = directory + "/disk"
                try content.write(to: URL(filePath: file))
                let full = "\(registry.address)/\(name)"
                let made = try await image(
                    "import", "--name", full, "--efi", "--disk", file, root: directory + "/maker")
                #expect(made.code == 0, "\(made.errors)")
                let pushed = try await image("push", full, root: directory + "/maker")
                #expect(pushed.code == 0, "\(pushed.errors)")

                let taker = directory + "/taker"
                for delay in delays {
                    let process = try Programs.start("cri-shim", ["image", "pull", full, "--root", taker])
                    try await Task.sleep(for: .milliseconds(delay))
                    process.send(SIGKILL)
                    let outcome = await process.wait()
                    guard outcome.code == 0 else { continue }
                    // Faster than the kill: the next begins anew, and there is something to kill.
                    #expect(try disk(taker) == content)
                    try FileManager.default.removeItem(atPath: taker)
                }
                let pulled = try await image("pull", full, root: taker)
                #expect(pulled.code == 0, "\(pulled.errors)")
                #expect(try disk(taker) == content)
                #expect(try FileManager.default.contentsOfDirectory(atPath: taker + "/images/staging").isEmpty)

                try await mended(taker, full, content)
            }
        }
    }

    private func mended(_ root: String, _ name: String, _ content: Data) async throws {
        let directory = root + "/images/disks/sha256"
        let path = directory + "/" + (try FileManager.default.contentsOfDirectory(atPath: directory).first ?? "")
        let whole = try await image("verify", name, root: root)
        #expect(whole.code == 0, "\(whole.output)\(whole.errors)")
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        try file.seek(toOffset: 21 << 20)
        try file.write(contentsOf: Data([1, 2, 3, 4]))
        try file.close()
        let damaged = try await image("verify", name, root: root)
        #expect(damaged.code == 1)
        #expect(damaged.output.contains("disk 0, bytes \(21 << 20) to \((22 << 20) - 1)"), "\(damaged.output)")
        let mended = try await image("verify", "--mend", name, root: root)
        #expect(mended.code == 0, "\(mended.errors)")
        #expect(try Data(contentsOf: URL(filePath: path)) == content)
        let converted = try await image("convert", name, name + "-again", root: root)
        #expect(converted.code == 0, "\(converted.errors)")
    }
}
