import HostFiles
import NIOPosix

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What DHCP servers of this host have given, by the files they note it in: one directory.
struct LeaseFiles: AddressDiscovery {
    let directory: String
    let format: LeaseFormat
    /// Which files in it.
    let isOne: @Sendable (String) -> Bool

    /// More than that is no file of leases.
    private static let limit = 16 << 20

    init(directory: String, format: LeaseFormat, isOne: @escaping @Sendable (String) -> Bool) {
        self.directory = directory
        self.format = format
        self.isOne = isOne
    }

    /// One file.
    init(_ path: String, _ format: LeaseFormat) {
        let name = path.lastIndex(of: "/").map { String(path[path.index(after: $0)...]) } ?? path
        self.init(directory: String(path.dropLast(name.utf8.count + 1)), format: format) { $0 == name }
    }

    var name: String { "DHCP leases in \(directory)" }

    func run(
        for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
    ) async throws {
        do {
            try await watch(hardwareAddress, report)
        } catch is CancellationError {
            return
        }
    }

    private func watch(
        _ hardwareAddress: HardwareAddress, _ report: @Sendable (AddressSighting) -> Void
    ) async throws {
        // First: what is written after the first look is not missed.
        let changes = try FileWatcher(directory: directory)
        var known = try await read(hardwareAddress)
        if let newest = known.last { report(AddressSighting(newest.address, .remembered)) }
        for await _ in changes {
            let now = try await read(hardwareAddress)
            // A lease that was given again ends later.
            let before = Set(known)
            if let newest = now.last(where: { !before.contains($0) }) {
                report(AddressSighting(newest.address, .leased))
            }
            known = now
        }
    }

    private func read(_ card: HardwareAddress) async throws -> [Lease] {
        try await NIOThreadPool.singleton.runIfActive { [self] in
            let now = Int64(time(nil))
            let leases = try Directories.names(directory).filter(isOne).sorted().flatMap { name in
                format.leases(in: try Self.bytes(of: "\(directory)/\(name)"), of: card, now: now)
            }
            return leases.enumerated().sorted {
                ($0.element.end ?? .max, $0.offset) < ($1.element.end ?? .max, $1.offset)
            }.map(\.element)
        }
    }

    /// Empty for a file that is gone by now.
    private static func bytes(of path: String) throws -> [UInt8] {
        let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC))
        guard file.number >= 0 else {
            if errno == ENOENT { return [] }
            throw VZEngineError.system("read \(path)")
        }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 65536)
        while bytes.count < limit {
            let count = systemRead(file.number, &chunk, chunk.count)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { throw VZEngineError.system("read \(path)") }
            if count == 0 { break }
            bytes += chunk[..<count]
        }
        return bytes
    }
}

#if canImport(Glibc)
private let systemRead = Glibc.read
#else
private let systemRead = Darwin.read
#endif
