import HostFiles
import KubeAPI
import Proto

/// `/stats/summary` (`stats/v1alpha1`).
struct StatsSummary {
    let sample: StatsSample
    /// Only what autoscalers read.
    var onlyProcessorAndMemory = false

    var value: Value { Value(.object([Member("node", node), Member("pods", Value(.array(sample.pods.map(pod))))])) }

    // MARK: The node

    private var node: Value {
        var node = ObjectBuilder()
        node.add("nodeName", sample.nodeName)
        guard let usage = sample.node else { return node.value }
        node.add("startTime", usage.booted)
        if let total = usage.processorNanoseconds {
            var cpu = ObjectBuilder()
            cpu.add("time", usage.time)
            cpu.add("usageNanoCores", sample.nodeNanoCores)
            cpu.add("usageCoreNanoSeconds", total)
            node.add("cpu", cpu.value)
        }
        if let memory = usage.memory {
            var object = ObjectBuilder()
            object.add("time", usage.time)
            object.add("availableBytes", memory.available)
            object.add("usageBytes", memory.usage)
            object.add("workingSetBytes", memory.workingSet)
            object.add("rssBytes", memory.resident)
            object.add("pageFaults", memory.pageFaults)
            object.add("majorPageFaults", memory.majorPageFaults)
            node.add("memory", object.value)
        }
        if onlyProcessorAndMemory { return node.value }
        if let first = usage.interfaces.first {
            var network = interface(first)
            network.add("interfaces", Value(.array(usage.interfaces.map { interface($0).value })), at: 0)
            network.add("time", usage.time, at: 0)
            node.add("network", network.value)
        }
        if let disk = usage.rootFileSystem { node.add("fs", fileSystem(disk, used: nil, usage.time)) }
        var runtime = ObjectBuilder()
        if let images = sample.imageFileSystem {
            runtime.add("imageFs", fileSystem(sample.imageVolume, used: images, usage.time))
        }
        if let containers = sample.containerFileSystem {
            runtime.add("containerFs", fileSystem(sample.imageVolume, used: containers, usage.time))
        }
        if !runtime.isEmpty { node.add("runtime", runtime.value) }
        if usage.processes != nil || usage.mostProcesses != nil {
            var limit = ObjectBuilder()
            limit.add("time", usage.time)
            limit.add("maxpid", usage.mostProcesses.map { UInt64(clamping: $0) })
            limit.add("curproc", usage.processes.map { UInt64(clamping: $0) })
            node.add("rlimit", limit.value)
        }
        if let swap = usage.swap {
            var object = ObjectBuilder()
            object.add("time", usage.time)
            object.add("swapAvailableBytes", swap.available)
            object.add("swapUsageBytes", swap.usage)
            node.add("swap", object.value)
        }
        return node.value
    }

    private func interface(_ one: NodeUsage.Interface) -> ObjectBuilder {
        var object = ObjectBuilder()
        object.add("name", one.name)
        object.add("rxBytes", one.receivedBytes)
        object.add("rxErrors", one.receiveErrors)
        object.add("txBytes", one.sentBytes)
        object.add("txErrors", one.sendErrors)
        return object
    }

    // MARK: Pods

    private func pod(_ usage: PodUsage) -> Value {
        var pod = ObjectBuilder()
        var reference = ObjectBuilder()
        reference.add("name", usage.name)
        reference.add("namespace", usage.namespace)
        reference.add("uid", usage.uid)
        pod.add("podRef", reference.value)
        pod.add("startTime", usage.started)
        pod.add("containers", Value(.array(usage.containers.map(container))))
        if let cpu = usage.cpu { pod.add("cpu", processor(cpu)) }
        if let memory = usage.memory { pod.add("memory", self.memory(memory)) }
        if onlyProcessorAndMemory { return pod.value }
        if let network = usage.network { pod.add("network", self.network(network)) }
        let time = sample.node?.time ?? usage.started
        if !usage.volumes.isEmpty {
            pod.add("volume", Value(.array(usage.volumes.map { volume($0, time) })))
        }
        var storage = ObjectBuilder()
        storage.add("time", time)
        addSpace(sample.node?.rootFileSystem, to: &storage)
        let layers = usage.containers.compactMap(\.writableLayer)
        storage.add(
            "usedBytes",
            layers.compactMap { $0.usedBytes?.value }.reduce(0, &+) &+ usage.volumes.map(\.usedBytes).reduce(0, &+))
        storage.add(
            "inodesUsed",
            layers.compactMap { $0.inodesUsed?.value }.reduce(0, &+) &+ usage.volumes.map(\.inodesUsed).reduce(0, &+))
        pod.add("ephemeral-storage", storage.value)
        if let processes = usage.processes {
            pod.add("process_stats", Value(.object([Member("process_count", .number(processes))])))
        }
        if let swap = usage.swap { pod.add("swap", self.swap(swap)) }
        return pod.value
    }

    private func container(_ usage: ContainerUsage) -> Value {
        var container = ObjectBuilder()
        container.add("name", usage.name)
        container.add("startTime", usage.started)
        if let cpu = usage.cpu { container.add("cpu", processor(cpu)) }
        if let memory = usage.memory { container.add("memory", self.memory(memory)) }
        if onlyProcessorAndMemory { return container.value }
        if let layer = usage.writableLayer {
            container.add("rootfs", fileSystem(sample.imageVolume, used: layer, Self.time(layer.timestamp)))
        }
        if let swap = usage.swap { container.add("swap", self.swap(swap)) }
        return container.value
    }

    private func volume(_ volume: VolumeUse, _ time: Timestamp?) -> Value {
        var object = ObjectBuilder()
        object.add("time", time)
        object.add("availableBytes", volume.availableBytes)
        object.add("capacityBytes", volume.capacityBytes)
        object.add("usedBytes", volume.usedBytes)
        object.add("inodesFree", volume.inodesFree)
        object.add("inodes", volume.inodes)
        object.add("inodesUsed", volume.inodesUsed)
        object.add("name", volume.name)
        return object.value
    }

    // MARK: Parts

    private static func time(_ nanoseconds: Int64) -> Timestamp { Timestamp(nanosecondsSince1970: nanoseconds) }

    private func processor(_ usage: CRI.CpuUsage) -> Value {
        var object = ObjectBuilder()
        object.add("time", Self.time(usage.timestamp))
        object.add("usageNanoCores", usage.usageNanoCores?.value)
        object.add("usageCoreNanoSeconds", usage.usageCoreNanoSeconds?.value)
        return object.value
    }

    private func memory(_ usage: CRI.MemoryUsage) -> Value {
        var object = ObjectBuilder()
        object.add("time", Self.time(usage.timestamp))
        object.add("availableBytes", usage.availableBytes?.value)
        object.add("usageBytes", usage.usageBytes?.value)
        object.add("workingSetBytes", usage.workingSetBytes?.value)
        object.add("rssBytes", usage.rssBytes?.value)
        object.add("pageFaults", usage.pageFaults?.value)
        object.add("majorPageFaults", usage.majorPageFaults?.value)
        return object.value
    }

    private func swap(_ usage: CRI.SwapUsage) -> Value {
        var object = ObjectBuilder()
        object.add("time", Self.time(usage.timestamp))
        object.add("swapAvailableBytes", usage.swapAvailableBytes?.value)
        object.add("swapUsageBytes", usage.swapUsageBytes?.value)
        return object.value
    }

    private func network(_ usage: CRI.NetworkUsage) -> Value {
        func one(_ usage: CRI.NetworkInterfaceUsage) -> ObjectBuilder {
            var object = ObjectBuilder()
            object.add("name", usage.name)
            object.add("rxBytes", usage.rxBytes?.value)
            object.add("rxErrors", usage.rxErrors?.value)
            object.add("txBytes", usage.txBytes?.value)
            object.add("txErrors", usage.txErrors?.value)
            return object
        }
        let main = usage.defaultInterface
        var object = main.map(one) ?? ObjectBuilder()
        let all = (main.map { [$0] } ?? []) + usage.interfaces.filter { $0.name != main?.name }
        object.add("interfaces", Value(.array(all.map { one($0).value })), at: 0)
        object.add("time", Self.time(usage.timestamp), at: 0)
        return object.value
    }

    private func fileSystem(_ disk: FileSystemUsage?, used: CRI.FilesystemUsage?, _ time: Timestamp) -> Value {
        var object = ObjectBuilder()
        object.add("time", used.map { Self.time($0.timestamp) } ?? time)
        addSpace(disk, to: &object)
        object.add("usedBytes", used == nil ? disk?.used : used?.usedBytes?.value)
        object.add("inodesUsed", used == nil ? disk?.usedInodes : used?.inodesUsed?.value)
        return object.value
    }

    private func addSpace(_ disk: FileSystemUsage?, to object: inout ObjectBuilder) {
        guard let disk else { return }
        object.add("availableBytes", disk.available)
        object.add("capacityBytes", disk.capacity)
        object.add("inodesFree", disk.freeInodes)
        object.add("inodes", disk.inodes)
    }
}

/// Puts a JSON object together; what is not known is left out.
struct ObjectBuilder {
    private var members: [Member] = []

    var value: Value { Value(.object(members)) }
    var isEmpty: Bool { members.isEmpty }

    mutating func add(_ name: String, _ value: Value?, at index: Int? = nil) {
        guard let value else { return }
        members.insert(Member(name, value), at: index ?? members.count)
    }
    mutating func add(_ name: String, _ text: String) { add(name, Value(.string(text))) }
    mutating func add(_ name: String, _ number: UInt64?) { add(name, number.map(Value.number)) }
    mutating func add(_ name: String, _ time: Timestamp?, at index: Int? = nil) {
        add(name, time?.encodedAlways(), at: index)
    }
}

extension Value {
    /// A count; JSON's readers want it below 2^63.
    static func number(_ number: UInt64) -> Value { Value(.int(Int64(clamping: number))) }
}
