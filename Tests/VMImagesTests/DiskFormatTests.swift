import Support
import Testing

@testable import VMImages

@Suite struct DiskFormatTests {
    private func header(
        version: UInt8 = 3, backing: UInt8 = 0, capacity: UInt64 = 1 << 30, encryption: UInt8 = 0, features: UInt8 = 0
    ) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: 512)
        bytes.replaceSubrange(0..<8, with: [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, version])
        bytes[15] = backing
        for index in 0..<8 { bytes[24 + index] = UInt8(truncatingIfNeeded: capacity >> UInt64(56 - 8 * index)) }
        bytes[35] = encryption
        bytes[79] = features
        return bytes
    }

    private func format(_ header: [UInt8], size: Int64 = 1024) throws -> DiskFormat {
        try DiskFormat(header: header, size: size, path: "DISK")
    }

    @Test("raw and qcow2 are told by content; qcow2 says what the guest sees")
    func told() throws {
        #expect(try format([0, 1, 2]) == DiskFormat(format: .raw, capacity: 1024))
        #expect(try format(header()) == DiskFormat(format: .qcow2, capacity: 1 << 30))
        #expect(try format(header(version: 2), size: 777) == DiskFormat(format: .qcow2, capacity: 1 << 30))
        // Lazy reference counts are no damage.
        #expect(try format(header(features: 0)).format == .qcow2)
    }

    @Test(
        "a disk that leads to other files, or is none, is refused",
        arguments: [
            ("on top of another", 0), ("elsewhere", 1), ("encrypted", 2), ("not closed properly", 3), ("not closed", 4),
            ("not known", 5), ("not known", 6), ("not known", 7), ("gzip", 8), ("zstd", 9), ("VMDK", 10),
        ])
    func refused(why: String, number: Int) throws {
        let bad: [[UInt8]] = [
            header(backing: 104), header(features: 4), header(encryption: 1), header(features: 1), header(features: 2),
            header(version: 4), header(capacity: 0), Array(header().prefix(20)), [0x1f, 0x8b, 8, 0],
            [0x28, 0xb5, 0x2f, 0xfd], Array("KDMV".utf8),
        ]
        let error = try #require(throws: VMImageError.self) { try format(bad[number]) }
        #expect(error.code == .invalidArgument)
        #expect(error.message.hasPrefix("DISK cannot be a machine's disk: "))
        #expect(error.message.contains(why))
    }

    @Test("an index says the same when it is read again, and damage is seen")
    func index() throws {
        let digest = String(repeating: "a", count: 64)
        let index = DiskIndex(
            size: 9 << 20, chunks: [.init(offset: 0, digest: digest), .init(offset: 8 << 20, digest: digest)])
        #expect(try DiskIndex(parsing: index.bytes) == index)
        let text = String(decoding: index.bytes, as: UTF8.self)
        for damaged in ["", "x\n" + text, text + "9 x\n", text + "0 \(digest)\n", text.replacingSize()] {
            #expect { try DiskIndex(parsing: Array(damaged.utf8)) } throws: {
                ($0 as? VMImageError)?.code == .badRecord
            }
        }
        // What to do about it is said.
        let older = text.replacing("chunk 1048576\n", with: "chunk 4194304\n")
        #expect { try DiskIndex(parsing: Array(older.utf8)) } throws: {
            ($0 as? VMImageError)?.message.contains("cri-shim image rm") == true
        }
    }
}

extension String {
    fileprivate func replacingSize() -> String {
        split(separator: "\n", omittingEmptySubsequences: false).map { $0.hasPrefix("size") ? "size 4194304" : $0 }
            .joined(separator: "\n")
    }
}
