#if canImport(Clonefile)
import Clonefile
import Foundation
import Support
import Testing

@testable import VZEngine

/// What clones cost and promise where macOS makes them, over a double of its system call.
@Suite("Clones by clonefile")
struct ClonefileTests {
    private let copying = BlockSharing.clonefile(ClonefileDouble(copies: true).call)

    private func base(_ directory: String) throws -> String {
        let path = directory + "/base"
        try Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 / 251) }).write(to: URL(filePath: path))
        return path
    }

    @Test("a clone is raw, the owner's, and has its base's content; what is written into it is nowhere else")
    func clone() async throws {
        try await withTemporaryDirectory { directory async throws in
            let base = try base(directory)
            // An image's file is nobody's to write to.
            try FileManager.default.setAttributes([.posixPermissions: 0o400], ofItemAtPath: base)
            let before = try Data(contentsOf: URL(filePath: base))
            let path = directory + "/clone"
            let (disk, method) = try await DiskClone.make(
                of: base, format: .raw, at: path, method: .reflink, sharing: copying, size: 2 << 20)
            #expect(disk == .init(path: path, format: .raw))
            #expect(method == .reflink)
            let attributes = try FileManager.default.attributesOfItem(atPath: path)
            #expect(attributes[.posixPermissions] as? Int == 0o600)
            #expect(try Data(contentsOf: URL(filePath: path)) == before + Data(count: 1 << 20))
            let handle = try FileHandle(forWritingTo: URL(filePath: path))
            try handle.write(contentsOf: Data([0xff]))
            try handle.close()
            #expect(try Data(contentsOf: URL(filePath: base)) == before)
        }
    }

    @Test("what is there already is not written over, and stays", arguments: [true, false])
    func exists(_ isCopy: Bool) async throws {
        try await withTemporaryDirectory { directory async throws in
            let (base, path) = (try base(directory), directory + "/clone")
            try Data("mine".utf8).write(to: URL(filePath: path))
            for sharing in [copying, .system] {
                let error = await #expect(throws: VZEngineError.self) { () async throws in
                    if isCopy {
                        try await DiskCopy.make(of: base, at: path, sharing: sharing)
                    } else {
                        _ = try await DiskClone.make(of: base, format: .raw, at: path, sharing: sharing)
                    }
                }
                #expect(error?.message.contains("File exists") == true, "\(error as Any)")
                #expect(FileManager.default.contents(atPath: path) == Data("mine".utf8))
            }
            await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: directory + "/none", format: .raw, at: path + "2", sharing: copying)
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory).sorted() == ["base", "clone"])
        }
    }

    @Test("another volume, or one of another kind, is said, or does without", arguments: [EXDEV, ENOTSUP])
    func cannot(_ code: Int32) async throws {
        try await withTemporaryDirectory { directory async throws in
            let (base, path) = (try base(directory), directory + "/clone")
            let sharing = BlockSharing.clonefile { _, _, _ in
                errno = code
                return -1
            }
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await DiskClone.make(of: base, format: .raw, at: path, method: .reflink, sharing: sharing)
            }
            #expect(error?.code == .unsupported)
            #expect(!FileManager.default.fileExists(atPath: path))
            let (disk, method) = try await DiskClone.make(of: base, format: .raw, at: path, sharing: sharing)
            #expect(method == .overlay)
            #expect(disk.format == .qcow2)
            try await DiskCopy.make(of: base, at: path + ".copy", sharing: sharing)
            #expect(FileManager.default.contents(atPath: path + ".copy") == FileManager.default.contents(atPath: base))
        }
    }

    @Test(
        "one of 100 GB takes as long as one of 1 GB, and writes less than 1 MiB",
        .enabled(if: LoopFileSystem.canRun, "skipped, because mounting a file system needs root and loop devices"))
    func cost() async throws {
        try await LoopFileSystem.with(["mkfs.xfs", "-q"], size: 200 << 30) { place in
            let bases = try [1, 100].map { gigabytes in
                let path = "\(place)/\(gigabytes)"
                let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL, 0o600)
                defer { close(descriptor) }
                // Blocks of its own, as a disk that was written has.
                let size = off_t(gigabytes) * 1_000_000_000
                try #require(descriptor >= 0 && posix_fallocate(descriptor, 0, size) == 0 && fsync(descriptor) == 0)
                return path
            }
            let sharing = BlockSharing.clonefile(ClonefileDouble(copies: false).call)
            func clone(_ base: String, _ path: String) async throws {
                let made = try await DiskClone.make(
                    of: base, format: .raw, at: path, method: .reflink, sharing: sharing)
                #expect(made.method == .reflink)
            }
            let before = try free(place)
            try await clone(bases[1], place + "/first")
            let file = open(place + "/first", O_RDONLY)
            defer { close(file) }
            try #require(fsync(file) == 0)
            #expect(before - (try free(place)) < 1 << 20)
            // The quickest of each, taken in turns: what else the machine does makes them only slower.
            var best: [Duration] = [.seconds(600), .seconds(600)]
            for round in 0..<15 {
                for which in round % 2 == 0 ? [0, 1] : [1, 0] {
                    let path = place + "/clone"
                    let time = try await ContinuousClock().measure { try await clone(bases[which], path) }
                    unlink(path)
                    best[which] = min(best[which], time)
                }
            }
            #expect(best[1] <= best[0] * 1.5 + .milliseconds(1), "100 GB: \(best[1]), 1 GB: \(best[0])")
        }
    }

    private func free(_ place: String) throws -> Int64 {
        var status = statvfs()
        try #require(statvfs(place, &status) == 0)
        return Int64(status.f_bfree) * Int64(status.f_frsize)
    }
}
#endif
