import Support
import Testing

@testable import HostFiles

@Suite struct HostFactsTests {
    @Test func `a host knows itself`() throws {
        let facts = HostFacts.current()
        #expect(
            ["linux", "darwin"].contains(facts.operatingSystem) && ["amd64", "arm64"].contains(facts.architecture))
        #expect(facts.cpuCount > 0 && facts.memoryBytes > 1 << 20 && !facts.hostname.isEmpty && !facts.bootID.isEmpty)
        let usage = try HostUsage.current()
        #expect(usage.memoryWorkingSetBytes > 0 && usage.memoryAvailableBytes < facts.memoryBytes)
    }

    @Test(arguments: [
        ("nameserver 127.0.0.53\nsearch x\n", true), ("nameserver ::1\n\tnameserver\t127.0.0.1", true),
        ("nameserver 127.0.0.1\nnameserver 192.0.2.1\n", false), ("# nameserver 127.0.0.1\n", false), ("", false),
    ])
    func `name servers of this machine alone are of no use to pods`(text: String, isLocal: Bool) async throws {
        #expect(ResolverFile.isLocal(text) == isLocal)
        try await withTemporaryDirectory { directory async throws in
            #expect(try ResolverFile.read(directory + "/none") == nil)
            try SystemFiles.write(directory + "/resolv.conf", Array("nameserver 192.0.2.1\n".utf8), mode: 0o644)
            let found = try ResolverFile.read(directory + "/resolv.conf")
            #expect(found == Array("nameserver 192.0.2.1\n".utf8))
        }
    }

    #if os(Linux)
    @Test func `what is used is read as the kubelet reads it`() throws {
        let stat = "cpu  100 20 30 4000 500 6 7 8 9 10\ncpu0 1 2 3 4 5 6 7 8 9 10\n"
        let memory = "MemTotal: 1000 kB\nMemFree: 200 kB\nMemAvailable: 900 kB\nInactive(file): 300 kB\n"
        let usage = try HostUsage(stat: stat, memory: memory)
        #expect(usage.cpuNanoseconds == (100 + 20 + 30 + 6 + 7 + 8) * 10_000_000)
        #expect(usage.memoryWorkingSetBytes == 500 << 10 && usage.memoryAvailableBytes == 500 << 10)
        for (stat, memory) in [("", memory), (stat, ""), ("cpu 1 2 x", memory), (stat, "MemTotal: x kB")] {
            #expect(throws: HostFilesError.self) { try HostUsage(stat: stat, memory: memory) }
        }
    }
    #endif
}
