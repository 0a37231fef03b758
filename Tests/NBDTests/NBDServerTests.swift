import Foundation
import Logging
import NIOConcurrencyHelpers
import NIOCore
import NIOPosix
import Support
import Testing

@testable import NBD

/// A disk in memory; what it has no data for is holes.
private struct MemoryDisk: NBDExport {
    struct Broken: Error {}

    var name = "disk0"
    var size: UInt64 = 8 << 20
    /// By their offsets, each as long as `run`.
    var data: [UInt64: [UInt8]] = [:]
    /// Reads from here on fail.
    var end = UInt64.max
    let run: UInt64 = 1 << 20
    let reads = NIOLockedValueBox(0)

    private func runs(_ range: Range<UInt64>) -> [(range: Range<UInt64>, bytes: ArraySlice<UInt8>?)] {
        var found: [(Range<UInt64>, ArraySlice<UInt8>?)] = []
        var offset = range.lowerBound
        while offset < range.upperBound {
            let start = offset / run * run
            let end = min(range.upperBound, start + run)
            found.append((offset..<end, data[start].map { $0[Int(offset - start)..<Int(end - start)] }))
            offset = end
        }
        return found
    }

    func read(_ range: Range<UInt64>) async throws -> [NBDPiece] {
        reads.withLockedValue { $0 += 1 }
        guard range.upperBound <= end else { throw Broken() }
        return runs(range).map { $0.bytes.map { .data(ByteBuffer(bytes: $0)) } ?? .zeros($0.range.count) }
    }

    func extents(_ range: Range<UInt64>) -> [NBDExtent] {
        runs(range).map { .init(length: UInt64($0.range.count), isHole: $0.bytes == nil) }
    }
}

@Suite("A server of disks, and QEMU's own tools as its clients")
struct NBDServerTests {
    private static let image = "/usr/bin/qemu-img"
    private static let io = "/usr/bin/qemu-io"

    private func disk(end: UInt64 = .max) -> MemoryDisk {
        var random = SeededRandom(seed: 11)
        var disk = MemoryDisk()
        for offset: UInt64 in [0, 3 << 20, 7 << 20] {
            disk.data[offset] = random.bytes(1 << 20)
        }
        disk.end = end
        return disk
    }

    /// Where a test's socket and files are.
    private struct Place {
        var path: String
        var clients: NIOLockedValueBox<[Int]>

        func url(_ export: String = "disk0") -> String { "nbd+unix:///\(export)?socket=\(path)/nbd" }
    }

    private func serving(_ disks: [MemoryDisk], _ body: @escaping (Place) async throws -> Void) async throws {
        try await withTemporaryDirectory { try await serving(disks, at: $0, body) }
    }

    private func serving(
        _ disks: [MemoryDisk], at path: String, _ body: (Place) async throws -> Void
    ) async throws {
        let socket = path + "/nbd"
        let clients = NIOLockedValueBox<[Int]>([])
        let server = NBDServer(exports: disks, logger: Logger(label: "test")) { count in
            clients.withLockedValue { $0.append(count) }
        }
        let (listening, isListening) = AsyncStream.makeStream(of: Void.self)
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                try await server.run(at: socket, group: MultiThreadedEventLoopGroup.singleton) { isListening.yield() }
            }
            for await _ in listening { break }
            do { try await body(Place(path: path, clients: clients)) } catch { Issue.record(error) }
            group.cancelAll()
            try await group.waitForAll()
        }
        #expect(!FileManager.default.fileExists(atPath: socket))
    }

    @Test("a disk is the same on the other side, and its holes are holes", .enabled(if: isThere))
    func same() async throws {
        let disk = disk()
        var other = disk
        (other.name, other.size) = ("disk1", 5 << 20)
        try await serving([disk, other]) { place in
            for disk in [disk, other] {
                let copy = place.path + "/" + disk.name
                let made = try await ChildProcess.run(
                    Self.image, ["convert", "-f", "raw", "-O", "raw", place.url(disk.name), copy])
                #expect(made.code == 0, "\(made.errors)")
                let bytes = try Data(contentsOf: URL(filePath: copy))
                #expect(bytes.count == Int(disk.size))
                for start in stride(from: 0, to: disk.size, by: 1 << 20) {
                    let expected = disk.data[start].map { Data($0) } ?? Data(count: 1 << 20)
                    #expect(bytes[Int(start)..<Int(start) + 1 << 20] == expected)
                }
            }
            let map = try await ChildProcess.run(Self.image, ["map", "--output=json", "-f", "raw", place.url()])
            let entries = try #require(
                try JSONSerialization.jsonObject(with: Data(map.output.utf8)) as? [[String: Any]])
            #expect(entries.map { $0["start"] as? Int } == [0, 1 << 20, 3 << 20, 4 << 20, 7 << 20])
            #expect(entries.map { $0["zero"] as? Bool } == [false, true, false, true, false])
            try await eventually("clients that are gone are not counted") {
                place.clients.withLockedValue { $0.last == 0 }
            }
            let mode = try FileManager.default.attributesOfItem(atPath: place.path + "/nbd")[.posixPermissions] as? Int
            #expect(mode == 0o600)
        }
    }

    @Test("a read that fails is an error of that read, not of the connection", .enabled(if: isThere))
    func failing() async throws {
        try await serving([disk(end: 4 << 20)]) { place in
            let done = try await ChildProcess.run(
                Self.io, ["-r", "-f", "raw", "-c", "read 0 64k", "-c", "read 7M 64k", "-c", "read 3M 64k", place.url()])
            #expect((done.output + done.errors).contains("read failed: Input/output error"))
            #expect(done.output.components(separatedBy: "65536/65536").count == 3, "\(done.output)\(done.errors)")
        }
    }

    @Test("nobody writes", .enabled(if: isThere))
    func writing() async throws {
        try await serving([disk()]) { place in
            let done = try await ChildProcess.run(Self.io, ["-f", "raw", "-c", "write 0 64k", place.url()])
            #expect(done.code != 0)
        }
    }

    @Test("an unknown disk is refused by name", .enabled(if: isThere))
    func unknown() async throws {
        try await serving([disk()]) { place in
            let done = try await ChildProcess.run(Self.image, ["info", "-f", "raw", place.url("other")])
            #expect(done.code != 0 && done.errors.contains("other"), "\(done.errors)")
        }
    }

    private static var isThere: Bool { [image, io].allSatisfy(FileManager.default.isExecutableFile) }
}
