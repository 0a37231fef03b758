/// What a disk file is, told by its first bytes.
struct DiskFormat: Equatable {
    var format: VMImageConfig.Disk.Format
    /// What the guest sees, in bytes.
    var capacity: Int64

    /// How much of a file is looked at.
    static let headerSize = 512

    /// - Parameters:
    ///   - header: the file's first bytes.
    ///   - size: of the file.
    ///   - path: for messages.
    /// - Throws: `invalidArgument` for what no machine could start from as it is.
    init(header: [UInt8], size: Int64, path: String) throws {
        func refused(_ why: String) -> VMImageError {
            VMImageError(.invalidArgument, "\(path) cannot be a machine's disk: \(why)")
        }
        guard size > 0 else { throw refused("it is empty") }
        for (magic, name) in Self.foreign where header.starts(with: magic) {
            throw refused("it is \(name); unpack or convert it first: qemu-img convert -O qcow2 FROM TO")
        }
        guard header.starts(with: [0x51, 0x46, 0x49, 0xfb]) else {
            guard size % 512 == 0 else {
                throw refused("a raw disk's size is a multiple of 512 bytes, and this one has \(size)")
            }
            self.init(format: .raw, capacity: size)
            return
        }
        guard header.count >= 104, let version = Self.number(header, at: 4, bytes: 4), version == 2 || version == 3,
            let backing = Self.number(header, at: 8, bytes: 8), let capacity = Self.number(header, at: 24, bytes: 8),
            let encryption = Self.number(header, at: 32, bytes: 4),
            let features = version == 3 ? Self.number(header, at: 72, bytes: 8) : 0,
            capacity > 0, capacity <= Int64.max
        else { throw refused("it is a qcow2 file of a kind that is not known here") }
        // Both would let an image name any file of the host.
        guard backing == 0 else {
            throw refused("it is a qcow2 file on top of another; make it one: qemu-img convert -O qcow2 FROM TO")
        }
        guard features & 0b100 == 0 else {
            throw refused("it is a qcow2 file whose data is elsewhere; make it one: qemu-img convert -O qcow2 FROM TO")
        }
        guard encryption == 0 else { throw refused("it is encrypted") }
        guard features & 0b11 == 0 else {
            throw refused("it was not closed properly or is corrupt; look at it: qemu-img check -r all FILE")
        }
        self.init(format: .qcow2, capacity: Int64(capacity))
    }

    init(format: VMImageConfig.Disk.Format, capacity: Int64) {
        self.format = format
        self.capacity = capacity
    }

    private static let foreign: [(magic: [UInt8], name: String)] = [
        ([0x1f, 0x8b], "gzip-compressed"),
        ([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], "xz-compressed"),
        ([0x28, 0xb5, 0x2f, 0xfd], "zstd-compressed"),
        (Array("BZh".utf8), "bzip2-compressed"),
        ([0x50, 0x4b, 0x03, 0x04], "a zip archive"),
        (Array("KDMV".utf8), "a VMDK disk"),
        (Array("# Disk DescriptorFile".utf8), "a VMDK descriptor"),
        (Array("vhdxfile".utf8), "a VHDX disk"),
        (Array("conectix".utf8), "a VHD disk"),
        (Array("<<< ".utf8), "a VDI disk"),
    ]

    /// Big-endian.
    private static func number(_ bytes: [UInt8], at offset: Int, bytes count: Int) -> UInt64? {
        guard bytes.count >= offset + count else { return nil }
        return bytes[offset..<offset + count].reduce(0) { $0 << 8 | UInt64($1) }
    }
}
