/// Numbers of the protocol, as its specification has them (NetworkBlockDevice/nbd, doc/proto.md).
enum NBDWire {
    static let greeting: UInt64 = 0x4e42_444d_4147_4943  // "NBDMAGIC"
    static let optionMagic: UInt64 = 0x4948_4156_454f_5054  // "IHAVEOPT"
    static let optionReply: UInt64 = 0x0003_e889_0455_65a9
    static let request: UInt32 = 0x2560_9513
    static let simpleReply: UInt32 = 0x6744_6698
    static let structuredReply: UInt32 = 0x668e_33ef

    /// What the server and the client say of themselves first.
    enum Handshake {
        static let fixedNewstyle: UInt16 = 1
        static let noZeroes: UInt16 = 2
    }

    enum Option {
        static let exportName: UInt32 = 1
        static let abort: UInt32 = 2
        static let list: UInt32 = 3
        static let info: UInt32 = 6
        static let go: UInt32 = 7
        static let structuredReply: UInt32 = 8
        static let listContexts: UInt32 = 9
        static let setContexts: UInt32 = 10
    }

    enum OptionReply {
        static let acknowledged: UInt32 = 1
        static let server: UInt32 = 2
        static let info: UInt32 = 3
        static let context: UInt32 = 4
        static let unsupported: UInt32 = 1 << 31 | 1
        static let invalid: UInt32 = 1 << 31 | 3
        static let unknownExport: UInt32 = 1 << 31 | 6
    }

    enum Info {
        static let export: UInt16 = 0
        static let blockSize: UInt16 = 3
    }

    /// What an export can do.
    enum Transmission {
        static let hasFlags: UInt16 = 1
        static let readOnly: UInt16 = 1 << 1
        static let flush: UInt16 = 1 << 2
        static let manyConnections: UInt16 = 1 << 8
        static let ours = hasFlags | readOnly | flush | manyConnections
    }

    enum Command {
        static let read: UInt16 = 0
        static let write: UInt16 = 1
        static let disconnect: UInt16 = 2
        static let flush: UInt16 = 3
        static let trim: UInt16 = 4
        static let writeZeroes: UInt16 = 6
        static let blockStatus: UInt16 = 7
        /// A flag of block status: only the first extent.
        static let one: UInt16 = 1 << 3
    }

    enum Chunk {
        static let none: UInt16 = 0
        static let data: UInt16 = 1
        static let hole: UInt16 = 2
        static let blockStatus: UInt16 = 5
        static let error: UInt16 = 1 << 15 | 1
        /// A flag: the last of a reply.
        static let done: UInt16 = 1
    }

    static let allocation = "base:allocation"
    static let allocationID: UInt32 = 1
    /// Neither stored nor anything but zeros.
    static let holeAndZero: UInt32 = 3

    /// Longer options are nobody's who means well.
    static let optionLimit = 64 << 10
    /// The most that one request may read; what QEMU and the kernel ask for is no more.
    static let readLimit = 32 << 20
}

/// What a request that failed says.
public enum NBDErrorCode: UInt32, Sendable, Hashable {
    case notPermitted = 1
    case io = 5
    case invalid = 22
    case unsupported = 95
    case shuttingDown = 108
}
