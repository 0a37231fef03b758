import HostFiles
import Processes
import Support
import Testing

@testable import CRIShim

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct PodHelperTests {
    @Test(
        "there is a program for every architecture Docker runs on",
        arguments: [
            ("x86_64", 0x3e), ("amd64", 0x3e), ("aarch64", 0xb7), ("arm64", 0xb7),
        ])
    func programs(architecture: String, machine: UInt8) throws {
        let program = try #require(PodHelper.program(for: architecture))
        #expect(program.prefix(4) == [0x7f, 0x45, 0x4c, 0x46], "an ELF file")
        #expect(program[18] == machine)
        #expect(program[16] == 2, "not position independent: nothing to relocate")
        #expect(PodHelper.program(for: "riscv64") == nil)
    }

    @Test func `the committed programs were made from the committed source`() throws {
        let source =
            String(#filePath.prefix(upTo: #filePath.firstRange(of: "/Tests/")!.lowerBound)) + "/podhelper/podhelper.c"
        let bytes = try #require(try RootDirectory.read(source))
        #expect(
            PodHelperBinaries.sourceChecksum == "\(posixChecksum(bytes)) \(bytes.count)",
            "run podhelper/generate.sh and commit what it writes")
    }

    /// What `cksum` prints.
    private func posixChecksum(_ bytes: [UInt8]) -> UInt32 {
        var crc: UInt32 = 0
        func take(_ byte: UInt8) {
            crc ^= UInt32(byte) << 24
            for _ in 0..<8 { crc = crc & 0x8000_0000 != 0 ? crc << 1 ^ 0x04c1_1db7 : crc << 1 }
        }
        bytes.forEach(take)
        var length = bytes.count
        while length > 0 {
            take(UInt8(length & 0xff))
            length >>= 8
        }
        return ~crc
    }

    @Test func `the archive holds one executable file`() throws {
        let archive = try PodHelper.archive(for: "x86_64")
        #expect(archive.count % 512 == 0)
        #expect(String(decoding: archive[0..<5], as: UTF8.self) == "pause")
        #expect(String(decoding: archive[100..<107], as: UTF8.self) == "0000755")
        let checksum = archive[0..<512].enumerated().reduce(0) {
            $0 + ((148..<156).contains($1.offset) ? 32 : Int($1.element))
        }
        #expect(Int(String(decoding: archive[148..<154], as: UTF8.self), radix: 8) == checksum)
        #expect(archive.suffix(1024).allSatisfy { $0 == 0 })
        #expect { try PodHelper.archive(for: "riscv64") } throws: { ($0 as? ShimError)?.code == .unsupported }
    }

    @Test(
        "the program says why it cannot hold a pod's network",
        .enabled(if: Self.program != nil, "skipped, because the program is for Linux on x86_64 and arm64"),
        arguments: [
            (["enter", "/no/such/file"], 1, "cannot open /no/such/file: error 2\n"),
            (["enter", "/dev/null"], 1, "cannot enter the network namespace /dev/null: error "),
            (["enter", "/dev/null", "0"], 2, "usage: "), (["enter", "/dev/null", "x", "0"], 2, "usage: "),
            (["forward", "70000"], 2, "usage: "), (["stay"], 2, "usage: "),
        ])
    func complaints(arguments: [String], code: Int32, said: String) async throws {
        let program = try #require(Self.program)
        try await withTemporaryDirectory { directory in
            let path = directory + "/pause"
            try AtomicFile.write(program, to: path, mode: 0o755)
            let result = try await Command.run(path, arguments)
            #expect(result.end == .exited(code: code))
            #expect(result.errorText.hasPrefix(said), "\(result.errorText)")
        }
    }

    private static var program: [UInt8]? {
        #if os(Linux) && arch(x86_64)
        PodHelper.program(for: "x86_64")
        #elseif os(Linux) && arch(arm64)
        PodHelper.program(for: "arm64")
        #else
        nil
        #endif
    }
}
