import NIOCore
import Testing

@testable import Docker

@Suite("What the engine says that containers use")
struct StatsTests {
    private func decode(_ json: String) throws -> DockerContainerStats {
        try DockerJSON.decode(DockerContainerStats.self, from: ByteBuffer(string: json))
    }

    @Test("control groups of version 1")
    func first() throws {
        let stats = try decode(
            """
            {"read":"2026-11-21T04:51:07.5Z","preread":"0001-01-01T00:00:00Z","pids_stats":{"current":3},
            "blkio_stats":{"io_service_bytes_recursive":[{"major":8,"minor":0,"op":"Read","value":4096},
            {"major":8,"minor":0,"op":"Write","value":10},{"major":9,"minor":0,"op":"Read","value":1},
            {"major":8,"minor":0,"op":"Total","value":4107}],"io_serviced_recursive":[{"op":"Write","value":2}]},
            "num_procs":0,"storage_stats":{},
            "cpu_stats":{"cpu_usage":{"total_usage":9000000000,"percpu_usage":[1,2],"usage_in_kernelmode":4000000000,
            "usage_in_usermode":5000000000},"system_cpu_usage":1,"online_cpus":2,"throttling_data":{"periods":0}},
            "precpu_stats":{"cpu_usage":{"total_usage":0}},
            "memory_stats":{"usage":5000,"max_usage":6000,"failcnt":7,"limit":9223372036854771712,
            "stats":{"rss":100,"total_rss":200,"total_inactive_file":300,"hierarchical_memsw_limit":18446744073709551615}},
            "name":"/x","id":"a","networks":{"eth0":{"rx_bytes":1,"rx_packets":2,"rx_errors":3,"rx_dropped":4,
            "tx_bytes":5,"tx_packets":6,"tx_errors":7,"tx_dropped":8}}}
            """)
        #expect(stats.isRunning)
        #expect(stats.totalNanoseconds == 9_000_000_000 && stats.userNanoseconds == 5_000_000_000)
        #expect(stats.kernelNanoseconds == 4_000_000_000)
        #expect(stats.memoryBytes == 5000 && stats.mostMemoryBytes == 6000 && stats.memoryFailures == 7)
        #expect(stats.memory["total_rss"] == 200 && stats.memory["total_inactive_file"] == 300)
        #expect(stats.processes == 3)
        #expect(stats.readBytes == 4097 && stats.writtenBytes == 10 && stats.reads == 0 && stats.writes == 2)
        let network = try #require(stats.networks["eth0"])
        #expect(network.receivedBytes == 1 && network.receivedDropped == 4)
        #expect(network.sentBytes == 5 && network.sentDropped == 8)
    }

    @Test("control groups of version 2")
    func second() throws {
        let stats = try decode(
            """
            {"read":"2026-11-21T04:51:07Z","pids_stats":{"current":1,"limit":10},
            "blkio_stats":{"io_service_bytes_recursive":[{"op":"read","value":5},{"op":"write","value":6}],
            "io_serviced_recursive":null},"cpu_stats":{"cpu_usage":{"total_usage":8}},
            "memory_stats":{"usage":77,"stats":{"anon":7,"file":70,"inactive_file":60,"pgfault":9},"limit":99}}
            """)
        #expect(stats.isRunning && stats.memory["anon"] == 7 && stats.mostMemoryBytes == nil)
        #expect(stats.memoryFailures == nil)
        #expect(stats.readBytes == 5 && stats.writtenBytes == 6 && stats.networks.isEmpty)
    }

    @Test("a container that does not run has none")
    func ended() throws {
        let stats = try decode(
            """
            {"read":"0001-01-01T00:00:00Z","pids_stats":{},"blkio_stats":{"io_service_bytes_recursive":null},
            "cpu_stats":{"cpu_usage":{"total_usage":0}},"memory_stats":{},"networks":null}
            """)
        #expect(!stats.isRunning && stats.processes == nil)
        #expect(try !decode("{}").isRunning)
    }
}
