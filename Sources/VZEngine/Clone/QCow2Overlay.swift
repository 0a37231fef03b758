#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// An empty disk in QEMU's format over another one, which has everything that is not in it: a header, the empty table of
/// its contents, and the count of its own four kinds of clusters.
struct QCow2Overlay {
    static let magic: [UInt8] = [0x51, 0x46, 0x49, 0xfb]
    private static let clusterBits = 16
    private static let cluster = 1 << clusterBits
    /// What one cluster of the second table describes.
    private static let perEntry = UInt64(cluster / 8) << clusterBits

    private let base: [UInt8]
    private let format: MachineConfig.Disk.Format
    private let size: UInt64
    private let entries: Int

    /// - Throws: `VZEngineError` with `invalidArgument` for what the format cannot hold.
    init(base: String, format: MachineConfig.Disk.Format, size: UInt64) throws {
        guard base.hasPrefix("/") else {
            throw VZEngineError(.invalidArgument, "\(base) is no path a disk can be based on: it is not absolute")
        }
        try self.init(name: base, format: format, size: size)
    }

    /// Over what another process serves. QEMU waits for that one when it is away, also at the start, and asks again.
    init(remote: MachineConfig.Remote, format: MachineConfig.Disk.Format, size: UInt64) throws {
        let server = #"{"type":"unix","path":\#(QEMUArguments.quoted(remote.socket))}"#
        let file =
            #"{"driver":"nbd","server":\#(server),"export":\#(QEMUArguments.quoted(remote.export)),"#
            + #""open-timeout":\#(Self.openTimeout),"reconnect-delay":\#(Self.reconnectDelay)}"#
        try self.init(name: #"json:{"driver":"\#(format.rawValue)","file":\#(file)}"#, format: format, size: size)
    }

    /// For so long, in seconds, a machine's reads wait for the server to come back: longer than anybody needs to start it.
    private static let reconnectDelay = 86_400
    /// For so long, in seconds, a machine that starts waits for a server that is away (QEMU 7.0 and newer).
    private static let openTimeout = 60

    private init(name: String, format: MachineConfig.Disk.Format, size: UInt64) throws {
        base = Array(name.utf8)
        self.format = format
        self.size = size
        guard base.count <= 1023, !base.contains(0) else {
            throw VZEngineError(.invalidArgument, "a disk cannot be based on \(name): 1023 bytes are the most")
        }
        // QEMU's own limit: a first table of 32 MiB.
        guard size <= 4_000_000 * Self.perEntry else {
            throw VZEngineError(.invalidArgument, "the disk \(name) is too large: \(size) bytes")
        }
        entries = Int((size + Self.perEntry - 1) / Self.perEntry)
    }

    private var tableClusters: Int { max(1, (entries * 8 + Self.cluster - 1) / Self.cluster) }

    /// What its file begins with; the rest, up to ``length``, is zeros.
    ///
    /// Clusters: 0 header, 1 the table of reference counts, 2 the counts, from 3 the first table of contents.
    var head: [UInt8] {
        var head: [UInt8] = Self.magic
        func add<Value: FixedWidthInteger>(_ value: Value) { withUnsafeBytes(of: value.bigEndian) { head += $0 } }
        let name = format.rawValue
        let nameOffset = 104 + 8 + (name.utf8.count + 7) / 8 * 8 + 8
        add(UInt32(3))
        add(UInt64(nameOffset))
        add(UInt32(base.count))
        add(UInt32(Self.clusterBits))
        add(size)
        add(UInt32(0))  // not encrypted
        add(UInt32(entries))
        add(UInt64(3 * Self.cluster))
        add(UInt64(Self.cluster))
        add(UInt32(1))
        add(UInt32(0))  // no snapshots
        add(UInt64(0))
        for _ in 0..<3 { add(UInt64(0)) }  // no features beyond version 3
        add(UInt32(4))  // counts of 16 bits
        add(UInt32(104))
        // Without it QEMU would have to guess what the base is.
        add(UInt32(0xe279_2aca))
        add(UInt32(name.utf8.count))
        head += Array(name.utf8)
        while head.count % 8 != 0 { head.append(0) }
        add(UInt64(0))
        head += base
        return head
    }

    private var referenceTable: [UInt8] { withUnsafeBytes(of: UInt64(2 * Self.cluster).bigEndian) { Array($0) } }

    /// Every cluster of the file is used once.
    private var referenceCounts: [UInt8] { (0..<3 + tableClusters).flatMap { _ in [UInt8(0), 1] } }

    var length: Int { (3 + tableClusters) * Self.cluster }

    /// Makes the file. Blocks for a moment; leaves nothing when it throws.
    func write(to path: String) throws {
        let file = Descriptor(open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600))
        guard file.number >= 0 else { throw VZEngineError.system("make the disk \(path)") }
        for (bytes, cluster) in [(head, 0), (referenceTable, 1), (referenceCounts, 2)] {
            guard pwrite(file.number, bytes, bytes.count, off_t(cluster * Self.cluster)) == bytes.count else {
                let failure = VZEngineError.system("write the disk \(path)")
                unlink(path)
                throw failure
            }
        }
        guard ftruncate(file.number, off_t(length)) == 0 else {
            let failure = VZEngineError.system("write the disk \(path)")
            unlink(path)
            throw failure
        }
    }
}
