/// `GET /containers/{id}/stats`: what a container uses, as its host's control groups count it.
public struct DockerContainerStats: Decodable, Sendable {
    public struct Interface: Decodable, Sendable, Hashable {
        public let receivedBytes: UInt64
        public let receivedPackets: UInt64
        public let receiveErrors: UInt64
        public let receivedDropped: UInt64
        public let sentBytes: UInt64
        public let sentPackets: UInt64
        public let sendErrors: UInt64
        public let sentDropped: UInt64

        private enum CodingKeys: String, CodingKey {
            case receivedBytes = "rx_bytes"
            case receivedPackets = "rx_packets"
            case receiveErrors = "rx_errors"
            case receivedDropped = "rx_dropped"
            case sentBytes = "tx_bytes"
            case sentPackets = "tx_packets"
            case sendErrors = "tx_errors"
            case sentDropped = "tx_dropped"
        }

        public init(from decoder: any Decoder) throws {
            let container = try decoder.container(keyedBy: CodingKeys.self)
            receivedBytes = try container.value(.receivedBytes, or: 0)
            receivedPackets = try container.value(.receivedPackets, or: 0)
            receiveErrors = try container.value(.receiveErrors, or: 0)
            receivedDropped = try container.value(.receivedDropped, or: 0)
            sentBytes = try container.value(.sentBytes, or: 0)
            sentPackets = try container.value(.sentPackets, or: 0)
            sendErrors = try container.value(.sendErrors, or: 0)
            sentDropped = try container.value(.sentDropped, or: 0)
        }
    }

    /// RFC 3339, of the engine's clock; the year 1 for a container that does not run.
    public let read: String
    /// Nanoseconds of processor time: in all, in programs, in the kernel.
    public let totalNanoseconds: UInt64
    public let userNanoseconds: UInt64
    public let kernelNanoseconds: UInt64
    /// Bytes, the cache of files included; nil when it does not run.
    public let memoryBytes: UInt64?
    /// The most there ever was; cgroup v1 only.
    public let mostMemoryBytes: UInt64?
    /// How often a limit was met; cgroup v1 only.
    public let memoryFailures: UInt64?
    /// What `memory.stat` says. The names are of the version of control groups: `rss`, `total_rss`, … or `anon`, ….
    public let memory: [String: UInt64]
    /// Processes and threads; nil when the host does not count them.
    public let processes: UInt64?
    /// Read from and written to block devices.
    public let readBytes: UInt64
    public let writtenBytes: UInt64
    public let reads: UInt64
    public let writes: UInt64
    /// Of the network namespace that it is in. Empty on the host's network, and where the namespace is none of the engine's.
    public let networks: [String: Interface]

    /// Whether it ran when it was looked at.
    public var isRunning: Bool { !read.hasPrefix("0001-") && memoryBytes != nil }

    private enum CodingKeys: String, CodingKey {
        case read, networks
        case processor = "cpu_stats"
        case memory = "memory_stats"
        case processes = "pids_stats"
        case blocks = "blkio_stats"
    }

    private struct Processor: Decodable {
        struct Usage: Decodable {
            var total: UInt64?
            var user: UInt64?
            var kernel: UInt64?
            private enum CodingKeys: String, CodingKey {
                case total = "total_usage"
                case user = "usage_in_usermode"
                case kernel = "usage_in_kernelmode"
            }
        }
        var usage: Usage?
        private enum CodingKeys: String, CodingKey { case usage = "cpu_usage" }
    }

    private struct Memory: Decodable {
        var usage: UInt64?
        var most: UInt64?
        var failures: UInt64?
        var stats: [String: UInt64]?
        private enum CodingKeys: String, CodingKey {
            case usage, stats
            case most = "max_usage"
            case failures = "failcnt"
        }
    }

    private struct Processes: Decodable { var current: UInt64? }

    private struct Blocks: Decodable {
        struct Entry: Decodable {
            var op: String?
            var value: UInt64?
        }
        var bytes: [Entry]?
        var operations: [Entry]?
        private enum CodingKeys: String, CodingKey {
            case bytes = "io_service_bytes_recursive"
            case operations = "io_serviced_recursive"
        }

        /// cgroup v1 says `Read`, v2 `read`.
        static func sum(_ entries: [Entry]?, _ operation: String) -> UInt64 {
            (entries ?? []).reduce(0) { $0 &+ ($1.op?.lowercased() == operation ? $1.value ?? 0 : 0) }
        }
    }

    public init(from decoder: any Decoder) throws {
        let container = try decoder.container(keyedBy: CodingKeys.self)
        read = try container.value(.read, or: "0001-01-01T00:00:00Z")
        let usage = try container.decodeIfPresent(Processor.self, forKey: .processor)?.usage
        totalNanoseconds = usage?.total ?? 0
        userNanoseconds = usage?.user ?? 0
        kernelNanoseconds = usage?.kernel ?? 0
        let memory = try container.decodeIfPresent(Memory.self, forKey: .memory)
        memoryBytes = memory?.usage
        mostMemoryBytes = memory?.most
        // Left out when it is 0.
        memoryFailures = memory?.failures ?? memory?.most.map { _ in 0 }
        self.memory = memory?.stats ?? [:]
        processes = try container.decodeIfPresent(Processes.self, forKey: .processes)?.current
        let blocks = try container.decodeIfPresent(Blocks.self, forKey: .blocks)
        readBytes = Blocks.sum(blocks?.bytes, "read")
        writtenBytes = Blocks.sum(blocks?.bytes, "write")
        reads = Blocks.sum(blocks?.operations, "read")
        writes = Blocks.sum(blocks?.operations, "write")
        networks = try container.value(.networks, or: [:])
    }
}

/// The part of `GET /containers/{id}/json?size=1` that costs the engine a walk through the container's files.
public struct ContainerSize: Decodable, Sendable {
    /// What the container wrote to its own layer, in bytes.
    public let sizeRw: Int64?
}
