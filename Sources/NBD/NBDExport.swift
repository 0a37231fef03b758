public import NIOCore

/// A stretch of an answer.
public enum NBDPiece: Sendable, Hashable {
    case data(ByteBuffer)
    /// So many zeros.
    case zeros(Int)

    var count: Int {
        switch self {
        case .data(let bytes): bytes.readableBytes
        case .zeros(let count): count
        }
    }
}

/// A stretch of a disk that holds something, or is zeros.
public struct NBDExtent: Sendable, Hashable {
    public var length: UInt64
    public var isHole: Bool

    public init(length: UInt64, isHole: Bool) {
        self.length = length
        self.isHole = isHole
    }
}

/// Something that clients see as a disk they can read.
public protocol NBDExport: Sendable {
    var name: String { get }
    /// In bytes.
    var size: UInt64 { get }
    /// Suspends until what is asked for is there.
    /// - Parameter range: within ``size``, never empty.
    /// - Returns: exactly that, in order.
    /// - Throws: what becomes an I/O error of the client's; `CancellationError` when that is gone.
    func read(_ range: Range<UInt64>) async throws -> [NBDPiece]
    /// Where there is something, from the beginning of the range on.
    func extents(_ range: Range<UInt64>) -> [NBDExtent]
}
