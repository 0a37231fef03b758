import Foundation
import Processes
import Support
import Testing

@testable import VZEngine

@Suite("Clones of disks")
struct DiskCloneTests {
    private static let hasTools: Bool = {
        if ProcessInfo.processInfo.environment["CI"] == "true" { return true }
        do {
            for tool in ["qemu-img", "qemu-io"] { _ = try Executables.find(tool) }
            return true
        } catch {
            return false
        }
    }()

    private func base(_ directory: String, _ size: Int = 1 << 20) throws -> String {
        let path = directory + "/ba se,\"ü.raw"
        try Data((0..<size).map { UInt8(truncatingIfNeeded: $0 / 251) }).write(to: URL(filePath: path))
        return path
    }

    @Test("an overlay is a disk QEMU finds no fault with, of the base's size and content", .enabled(if: hasTools))
    func overlay() async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = try base(directory)
            let path = directory + "/clone.qcow2"
            let (disk, method) = try await DiskClone.make(of: base, format: .raw, at: path, method: .overlay)
            #expect(disk == MachineConfig.Disk(path: path, format: .qcow2))
            #expect(method == .overlay)
            try await Command.checked("qemu-img", ["check", "-f", "qcow2", path])
            let info = try await Command.checked("qemu-img", ["info", "--output=json", path]).text
            #expect(info.contains("\"virtual-size\": 1048576"))
            #expect(info.contains("\"backing-filename-format\": \"raw\""))
            let compared = try await Command.run("qemu-img", ["compare", "-f", "raw", "-F", "qcow2", base, path])
            #expect(compared.end.isSuccess, "\(compared.text)")

            // What is written into it is in it, and nowhere else.
            let before = try Data(contentsOf: URL(filePath: base))
            try await Command.checked("qemu-io", ["-f", "qcow2", "-c", "write -P 0x5a 70000 4096", path])
            try await Command.checked("qemu-io", ["-f", "qcow2", "-c", "read -P 0x5a 70000 4096", path])
            try await Command.checked("qemu-img", ["check", "-f", "qcow2", path])
            #expect(try Data(contentsOf: URL(filePath: base)) == before)
        }
    }

    @Test("a clone can be larger than its base, whatever makes it", .enabled(if: hasTools), arguments: [true, false])
    func grows(_ isQCow2: Bool) async throws {
        try await withTemporaryDirectory { directory async throws in
            var (base, format) = (try base(directory), MachineConfig.Disk.Format.raw)
            if isQCow2 {
                let other = directory + "/base.qcow2"
                try await Command.checked("qemu-img", ["convert", "-f", "raw", "-O", "qcow2", base, other])
                (base, format) = (other, .qcow2)
            }
            let clone = try await DiskClone.make(of: base, format: format, at: directory + "/clone", size: 3 << 20).disk
            #expect(try DiskClone.size(of: clone.path, clone.format) == 3 << 20)
            let kind = clone.format.rawValue
            try await Command.checked("qemu-img", ["info", "-f", kind, clone.path])
            // Zeros behind what the base has.
            let compared = try await Command.run(
                "qemu-img", ["compare", "-f", format.rawValue, "-F", kind, base, clone.path])
            #expect(compared.end.isSuccess, "\(compared.text) \(compared.errorText)")
            let same = try await DiskClone.make(of: base, format: format, at: directory + "/same", size: 1 << 20).disk
            #expect(try DiskClone.size(of: same.path, same.format) == 1 << 20)
        }
    }

    @Test("no clone is smaller than its base")
    func shrinks() async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = try base(directory)
            let error = await #expect(throws: VZEngineError.self) {
                _ = try await DiskClone.make(of: base, format: .raw, at: directory + "/clone", size: 1 << 19)
            }
            #expect(error?.code == .invalidArgument)
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).count == 1)
        }
    }

    @Test(
        "large disks have their tables", .enabled(if: hasTools),
        arguments: [512 << 20, (512 << 20) + 1, 128 << 30, 5 << 40] as [UInt64])
    func large(_ size: UInt64) async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = directory + "/base"
            try Data().write(to: URL(filePath: base))
            let handle = try FileHandle(forWritingTo: URL(filePath: base))
            try handle.truncate(atOffset: size)
            try handle.close()
            let path = directory + "/clone"
            _ = try await DiskClone.make(of: base, format: .raw, at: path, method: .overlay)
            try await Command.checked("qemu-img", ["check", "-f", "qcow2", path])
            let info = try await Command.checked("qemu-img", ["info", "--output=json", path]).text
            #expect(info.contains("\"virtual-size\": \((size + 511) / 512 * 512)"))
            let end = (size - 1) / 512 * 512
            try await Command.checked("qemu-io", ["-f", "qcow2", "-c", "write -P 1 \(end) 512", path])
            try await Command.checked("qemu-img", ["check", "-f", "qcow2", path])
        }
    }

    @Test("a clone of a clone sees through both", .enabled(if: hasTools))
    func chain() async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = try base(directory)
            let first = try await DiskClone.make(of: base, format: .raw, at: directory + "/1", method: .overlay).disk
            try await Command.checked("qemu-io", ["-f", "qcow2", "-c", "write -P 7 0 512", first.path])
            let second = try await DiskClone.make(
                of: first.path, format: first.format, at: directory + "/2", method: .overlay
            ).disk
            let compared = try await Command.run(
                "qemu-img", ["compare", "-f", "qcow2", "-F", "qcow2", first.path, second.path])
            #expect(compared.end.isSuccess, "\(compared.text)")
        }
    }

    @Test("the first way that works is taken, and is quick whatever the size")
    func either() async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = try base(directory)
            let (disk, method) = try await DiskClone.make(of: base, format: .raw, at: directory + "/clone")
            #expect(disk.format == (method == .reflink ? .raw : .qcow2))
            var status = stat()
            #expect(stat(disk.path, &status) == 0)
            #expect(status.st_mode & 0o777 == 0o600)
            if method == .overlay { #expect(status.st_blocks * 512 < 64 << 10) }
        }
    }

    @Test(
        "a clone of 100 GiB costs less than 1 MiB, also where the file system shares blocks",
        .enabled(if: LoopFileSystem.canRun, "skipped, because mounting a file system needs root and loop devices"),
        arguments: [DiskClone.Method.reflink, .overlay])
    func cost(method: DiskClone.Method) async throws {
        try await LoopFileSystem.with(["mkfs.xfs", "-q"], size: 200 << 30) { place in
            let base = place + "/base"
            let descriptor = open(base, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
            defer { close(descriptor) }
            // Blocks of its own, as a disk that was written has.
            try #require(descriptor >= 0 && posix_fallocate(descriptor, 0, 100 << 30) == 0)
            try #require(pwrite(descriptor, "here", 4, 50 << 30) == 4 && fsync(descriptor) == 0)
            let before = try free(place)
            let (disk, _) = try await DiskClone.make(of: base, format: .raw, at: place + "/clone", method: method)
            let clone = open(disk.path, O_RDWR | O_CLOEXEC)
            defer { close(clone) }
            try #require(fsync(clone) == 0)
            #expect(before - (try free(place)) < 1 << 20)
            guard method == .reflink else { return }
            #expect(disk.format == .raw)
            var word = [UInt8](repeating: 0, count: 4)
            #expect(pread(clone, &word, 4, 50 << 30) == 4 && String(decoding: word, as: UTF8.self) == "here")
            // What is written into it is in it, and nowhere else.
            #expect(pwrite(clone, "else", 4, 50 << 30) == 4)
            let original = open(base, O_RDONLY | O_CLOEXEC)
            defer { close(original) }
            #expect(pread(original, &word, 4, 50 << 30) == 4 && String(decoding: word, as: UTF8.self) == "here")
        }
    }

    private func free(_ place: String) throws -> Int64 {
        var status = statvfs()
        try #require(statvfs(place, &status) == 0)
        return Int64(status.f_bfree) * Int64(status.f_frsize)
    }

    @Test("what is no disk, is not there, or would be overwritten is refused, and nothing is left")
    func refused() async throws {
        try await withTemporaryDirectory { directory async throws in
            let (base, path) = (directory + "/base", directory + "/clone")
            await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: base, format: .raw, at: path)
            }
            try Data().write(to: URL(filePath: base))
            await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: base, format: .raw, at: path, method: .overlay)
            }
            try Data(count: 4096).write(to: URL(filePath: base))
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: base, format: .qcow2, at: path, method: .overlay)
            }
            #expect(error?.code == .badRecord)
            #expect(!FileManager.default.fileExists(atPath: path))
            try Data([1]).write(to: URL(filePath: path))
            await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: base, format: .raw, at: path, method: .overlay)
            }
            #expect(try Data(contentsOf: URL(filePath: path)) == Data([1]))
        }
    }
}
