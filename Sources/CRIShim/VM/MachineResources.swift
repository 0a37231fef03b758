import Proto
import VZEngine

/// How big a machine is made.
enum MachineResources {
    /// The part of a request's resources that means something for a machine.
    struct Request: Codable, Sendable, Hashable {
        var cpuPeriod: Int64 = 0
        var cpuQuota: Int64 = 0
        var cpuShares: Int64 = 0
        var memoryLimit: Int64 = 0
        var oomScore: Int64 = 0
        /// What a kubelet that protects requests says they are. Absent in records of before it was looked at.
        var leastMemory: Int64?

        init() {}

        init(_ resources: CRI.LinuxContainerResources) {
            cpuPeriod = resources.cpuPeriod
            cpuQuota = resources.cpuQuota
            cpuShares = resources.cpuShares
            memoryLimit = resources.memoryLimitInBytes
            oomScore = resources.oomScoreAdj
            leastMemory = resources.unified["memory.min"].flatMap { Int64($0) }
        }

        var resources: CRI.LinuxContainerResources {
            .init {
                $0.cpuPeriod = cpuPeriod
                $0.cpuQuota = cpuQuota
                $0.cpuShares = cpuShares
                $0.memoryLimitInBytes = memoryLimit
                $0.oomScoreAdj = oomScore
                if let leastMemory { $0.unified["memory.min"] = String(leastMemory) }
            }
        }
    }

    /// What a host can give one machine.
    struct Host: Sendable {
        var cpus: Int
        var memoryBytes: Int64

        /// What the configuration leaves of it.
        func limited(by defaults: MachineDefaults) -> Host {
            Host(
                cpus: min(cpus, defaults.maxCPUs ?? .max),
                memoryBytes: min(memoryBytes, defaults.maxMemoryBytes ?? .max))
        }
    }

    struct Size: Sendable, Equatable {
        var cpus: Int
        var memoryBytes: Int64
    }

    /// Machines have memory in steps of this.
    static let step: Int64 = 2 << 20
    static let smallestMemory: Int64 = 64 << 20
    /// What the kubelet sets for a container that requests no cpu.
    private static let noShares: Int64 = 2

    /// What a machine gets of which nobody says anything.
    static func standard(_ guest: MachineConfig.GuestOS) -> Size {
        switch guest {
        case .linux: Size(cpus: 1, memoryBytes: 512 << 20)
        case .macos: Size(cpus: 4, memoryBytes: 8 << 30)
        }
    }

    /// Limits first, then requests, then the image's own wish, then what is configured. Whole processors, rounded up.
    /// - Throws: `invalidArgument` for more than the host has, or too little to start in.
    static func size(
        _ request: Request?, wishes: MachineOptions = .init(), image: MachineImage, host: Host, what: String
    ) throws -> Size {
        let request = request ?? Request()
        let standard = standard(image.guestOS)
        var size = Size(
            cpus: image.cpus ?? wishes.defaultCPUs ?? standard.cpus,
            memoryBytes: image.memoryBytes ?? wishes.defaultMemoryBytes ?? min(standard.memoryBytes, host.memoryBytes))
        let period = request.cpuPeriod > 0 ? request.cpuPeriod : 100_000
        if request.cpuQuota > 0 {
            size.cpus = Int(clamping: (request.cpuQuota - 1) / period + 1)
        } else if request.cpuShares > noShares {
            size.cpus = Int(clamping: (request.cpuShares - 1) / 1024 + 1)
        } else {
            size.cpus = min(size.cpus, host.cpus)
        }
        let wanted =
            request.memoryLimit > 0 ? request.memoryLimit : wishes.memoryRequestBytes ?? request.leastMemory ?? 0
        if wanted > 0 {
            guard wanted >= smallestMemory else {
                throw ShimError(
                    .invalidArgument,
                    "\(what) is given \(wanted) bytes of memory; a machine needs \(smallestMemory >> 20) MiB at least")
            }
            size.memoryBytes = wanted
        }
        guard size.cpus <= host.cpus else {
            throw ShimError(
                .invalidArgument, "\(what) asks for \(size.cpus) cpus; a machine here may have \(host.cpus)")
        }
        guard size.memoryBytes <= host.memoryBytes else {
            throw ShimError(
                .invalidArgument,
                "\(what) asks for \(size.memoryBytes >> 20) MiB of memory; a machine here may have "
                    + "\(host.memoryBytes >> 20) MiB")
        }
        size.memoryBytes = (size.memoryBytes + step - 1) / step * step
        return size
    }
}

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension MachineResources.Host {
    /// This host. `sysconf` is the same on both systems.
    static let this = MachineResources.Host(
        cpus: max(1, sysconf(Int32(_SC_NPROCESSORS_ONLN))),
        memoryBytes: Int64(sysconf(Int32(_SC_PHYS_PAGES))) * Int64(sysconf(Int32(_SC_PAGESIZE))))
}
