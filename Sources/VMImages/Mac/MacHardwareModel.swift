import FoundationEssentials
import HostFiles

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Which Mac a guest was installed on, in Apple's own encoding, of which nothing else is known here.
public struct MacHardwareModel: Sendable, Hashable {
    public let bytes: [UInt8]

    /// It has a few hundred.
    static let limit = 64 << 10

    /// Blocks.
    /// - Parameter file: Apple's bytes, or those in base64, as some programs keep them.
    /// - Throws: `notFound`, `invalidArgument`.
    public init(file: String) throws {
        guard FilePlaces.exists(file), !FilePlaces.isDirectory(file) else {
            throw VMImageError(.notFound, "there is no hardware model \(file)")
        }
        let facts = try OpenFile.reading(file).facts()
        guard facts.st_size <= Self.limit, let bytes = try FilePlaces.contents(of: file, limit: Self.limit) else {
            throw VMImageError(
                .invalidArgument, "\(file) is no hardware model of a Mac: it has \(facts.st_size) bytes, too many")
        }
        try self.init(bytes, of: file)
    }

    /// - Parameter place: for messages.
    init(_ bytes: [UInt8], of place: String) throws {
        let text = bytes.filter { !($0 == 0x0a || $0 == 0x0d || $0 == 0x20) }
        let decoded = Data(base64Encoded: Data(text)).map(Array.init)
        self.bytes = decoded.flatMap { $0.starts(with: Self.propertyList) ? $0 : nil } ?? bytes
        guard !self.bytes.isEmpty, self.bytes.count <= Self.limit else {
            throw VMImageError(.invalidArgument, "\(place) has no hardware model of a Mac: \(bytes.count) bytes")
        }
    }

    /// What Apple's begin with.
    private static let propertyList = Array("bplist00".utf8)
}
