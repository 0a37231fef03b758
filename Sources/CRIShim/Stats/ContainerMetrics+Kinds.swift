import Proto
import VZEngine

extension ContainerMetrics {
    private static func one(
        _ name: String, _ type: CRI.MetricType, _ help: String, more: [String] = [], labelled: [String] = [],
        _ value: @escaping @Sendable (Subject) -> UInt64?
    ) -> Kind {
        Kind(name: name, help: help, type: type, more: more) { subject in
            value(subject).map { [Value(more: labelled, value: $0)] } ?? []
        }
    }

    private static func seconds(_ nanoseconds: UInt64?) -> UInt64? { nanoseconds.map { $0 / 1_000_000_000 } }

    static let ofContainers: [Kind] = processor + memory + disk + processes + specification

    private static let processor: [Kind] = [
        one(
            "container_cpu_usage_seconds_total", .counter, "Cumulative cpu time consumed in seconds.", more: ["cpu"],
            labelled: ["total"]
        ) { seconds($0.measurement.processor?.total) },
        one("container_cpu_user_seconds_total", .counter, "Cumulative user cpu time consumed in seconds.") {
            seconds($0.measurement.processor?.user)
        },
        one("container_cpu_system_seconds_total", .counter, "Cumulative system cpu time consumed in seconds.") {
            seconds($0.measurement.processor?.kernel)
        },
    ]

    private static let memory: [Kind] = [
        one(
            "container_memory_usage_bytes", .gauge,
            "Current memory usage in bytes, including all memory regardless of when it was accessed."
        ) { $0.measurement.memory?.usage },
        one("container_memory_working_set_bytes", .gauge, "Current working set in bytes.") {
            $0.measurement.memory?.workingSet
        },
        one("container_memory_rss", .gauge, "Size of RSS in bytes.") { $0.measurement.memory?.resident },
        one("container_memory_cache", .gauge, "Number of bytes of page cache memory.") {
            $0.measurement.memory?.cache
        },
        one("container_memory_mapped_file", .gauge, "Size of memory mapped files in bytes.") {
            $0.measurement.memory?.mapped
        },
        one("container_memory_swap", .gauge, "Container swap usage in bytes.") { $0.measurement.memory?.swap },
        one("container_memory_max_usage_bytes", .gauge, "Maximum memory usage recorded in bytes.") {
            $0.measurement.memory?.most
        },
        one("container_memory_failcnt", .counter, "Number of memory usage hits limits.") {
            $0.measurement.memory?.failures
        },
        Kind(
            name: "container_memory_failures_total", help: "Cumulative count of memory allocation failures.",
            type: .counter, more: ["failure_type", "scope"]
        ) { subject in
            guard let memory = subject.measurement.memory else { return [] }
            return [
                Value(more: ["pgfault", "container"], value: memory.pageFaults),
                Value(more: ["pgmajfault", "container"], value: memory.majorPageFaults),
            ]
        },
    ]

    private static let disk: [Kind] = [
        one(
            "container_fs_usage_bytes", .gauge,
            "Number of bytes that are consumed by the container on this filesystem.", more: ["device"], labelled: [""]
        ) { $0.measurement.disk?.bytes },
        one(
            "container_fs_reads_bytes_total", .counter, "Cumulative count of bytes read.", more: ["device"],
            labelled: [""]
        ) { $0.measurement.blocks?.readBytes },
        one(
            "container_fs_writes_bytes_total", .counter, "Cumulative count of bytes written.", more: ["device"],
            labelled: [""]
        ) { $0.measurement.blocks?.writtenBytes },
        one(
            "container_fs_reads_total", .counter, "Cumulative count of reads completed.", more: ["device"],
            labelled: [""]
        ) { $0.measurement.blocks?.reads },
        one(
            "container_fs_writes_total", .counter, "Cumulative count of writes completed.", more: ["device"],
            labelled: [""]
        ) { $0.measurement.blocks?.writes },
        Kind(
            name: "container_blkio_device_usage_total", help: "Blkio device bytes usage.", type: .counter,
            more: ["device", "major", "minor", "operation"]
        ) { subject in
            guard let blocks = subject.measurement.blocks else { return [] }
            return [
                Value(more: ["", "", "", "Read"], value: blocks.readBytes),
                Value(more: ["", "", "", "Write"], value: blocks.writtenBytes),
            ]
        },
    ]

    private static let processes: [Kind] = [
        one("container_processes", .gauge, "Number of processes running inside the container.") {
            $0.measurement.processes
        },
        one("container_threads", .gauge, "Number of threads running inside the container.") {
            $0.measurement.threads
        },
        one("container_file_descriptors", .gauge, "Number of open file descriptors for the container.") {
            $0.measurement.host?.descriptors
        },
        one("container_sockets", .gauge, "Number of open sockets for the container.") { $0.measurement.host?.sockets },
        one("container_oom_events_total", .counter, "Count of out of memory events observed for the container.") {
            $0.measurement.outOfMemory
        },
        one("container_last_seen", .gauge, "Last time a container was seen by the exporter.") {
            seconds(UInt64(clamping: $0.measurement.time))
        },
        one("container_start_time_seconds", .gauge, "Start time of the container since unix epoch in seconds.") {
            $0.container.flatMap { $0.startedAt > 0 ? UInt64($0.startedAt) / 1_000_000_000 : nil }
        },
    ]

    /// What it was given; 0 is "as much as there is".
    private static let specification: [Kind] = [
        one("container_spec_cpu_period", .gauge, "CPU period of the container.") {
            $0.container?.resources.map { UInt64(clamping: $0.cpuPeriod) }
        },
        one("container_spec_cpu_quota", .gauge, "CPU quota of the container.") {
            $0.container?.resources.map { UInt64(clamping: $0.cpuQuota) }
        },
        one("container_spec_cpu_shares", .gauge, "CPU share of the container.") {
            $0.container?.resources.map { UInt64(clamping: $0.cpuShares) }
        },
        one("container_spec_memory_limit_bytes", .gauge, "Memory limit for the container.") {
            $0.container?.resources.map { UInt64(clamping: $0.memoryLimitInBytes) }
        },
        one("container_spec_memory_swap_limit_bytes", .gauge, "Memory swap limit for the container.") {
            $0.container?.resources.map { UInt64(clamping: $0.memorySwapLimitInBytes) }
        },
        one("container_spec_memory_reservation_limit_bytes", .gauge, "Memory reservation limit for the container.") {
            // The CRI has none.
            $0.container?.resources.map { _ in 0 }
        },
        one("container_threads_max", .gauge, "Maximum number of threads allowed inside the container.") {
            $0.measurement.host?.mostTasks
        },
        one(
            "container_ulimits_soft", .gauge, "Soft ulimit values for the container root process.", more: ["ulimit"],
            labelled: ["max_open_files"]
        ) { $0.measurement.host.map { $0.openFiles ?? .max } },
    ]

    /// A pod's network, which its containers share.
    static let ofPods: [Kind] = [
        network("receive_bytes", "bytes received", \.receivedBytes),
        network("receive_packets", "packets received", \.receivedPackets),
        network("receive_packets_dropped", "packets dropped while receiving", \.receivedDropped),
        network("receive_errors", "errors encountered while receiving", \.receiveErrors),
        network("transmit_bytes", "bytes transmitted", \.sentBytes),
        network("transmit_packets", "packets transmitted", \.sentPackets),
        network("transmit_packets_dropped", "packets dropped while transmitting", \.sentDropped),
        network("transmit_errors", "errors encountered while transmitting", \.sendErrors),
    ]

    private static func network(
        _ name: String, _ what: String, _ counter: any KeyPath<InterfaceCounters, UInt64> & Sendable
    ) -> Kind {
        Kind(
            name: "container_network_\(name)_total", help: "Cumulative count of \(what).", type: .counter,
            more: ["interface"]
        ) { subject in
            subject.measurement.outsideInterfaces.map { Value(more: [$0.name], value: $0[keyPath: counter]) }
        }
    }
}
