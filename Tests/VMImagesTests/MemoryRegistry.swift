import NIOConcurrencyHelpers
import NIOCore
import Registry

@testable import VMImages

/// A repository in memory, as honest as a real one: it takes no blob under another's digest.
final class MemoryRegistry: BlobSource, BlobSink {
    struct Request: Hashable {
        var digest: String
        var range: Range<Int64>?
    }

    /// What goes wrong with one answer.
    enum Fault {
        /// The stream breaks after so many bytes.
        case cut(Int)
        /// One bit of the byte at this place of the blob is another.
        case flip(Int64)
        case status(RegistryError.Code)
        /// Something else entirely, of the same length.
        case other
    }

    private struct State {
        var blobs: [String: [UInt8]] = [:]
        var requests: [Request] = []
        var uploads: [String] = []
        var manifests: [String: [UInt8]] = [:]
        var served: Int64 = 0
    }

    let hasRanges: Bool
    private let state = NIOLockedValueBox(State())
    /// Asked for each request, with its number.
    private let fault: @Sendable (Int, Request) -> Fault?

    init(hasRanges: Bool = true, fault: @escaping @Sendable (Int, Request) -> Fault? = { _, _ in nil }) {
        self.hasRanges = hasRanges
        self.fault = fault
    }

    /// The same blobs, served otherwise.
    func copy(hasRanges: Bool = true, fault: @escaping @Sendable (Int, Request) -> Fault? = { _, _ in nil })
        -> MemoryRegistry
    {
        let copy = MemoryRegistry(hasRanges: hasRanges, fault: fault)
        let (blobs, manifests) = state.withLockedValue { ($0.blobs, $0.manifests) }
        copy.state.withLockedValue { ($0.blobs, $0.manifests) = (blobs, manifests) }
        return copy
    }

    var requests: [Request] { state.withLockedValue { $0.requests } }
    var uploads: [String] { state.withLockedValue { $0.uploads } }
    var served: Int64 { state.withLockedValue { $0.served } }
    func bytes(_ digest: String) -> [UInt8]? { state.withLockedValue { $0.blobs[digest] ?? $0.manifests[digest] } }
    func size(_ digest: String) -> Int { bytes(digest)?.count ?? 0 }

    func add(_ bytes: [UInt8], _ mediaType: String, _ annotations: [String: String]? = nil) -> Descriptor {
        let digest = "sha256:" + SHA256.hex(of: bytes)
        state.withLockedValue { $0.blobs[digest] = bytes }
        return Descriptor(mediaType: mediaType, digest: digest, size: Int64(bytes.count), annotations: annotations)
    }

    // MARK: Source

    func blob(_ descriptor: Descriptor, range: Range<Int64>?) async throws -> BlobStream {
        let request = Request(digest: descriptor.digest, range: range)
        let (number, found) = state.withLockedValue { state in
            state.requests.append(request)
            return (state.requests.count - 1, state.blobs[descriptor.digest])
        }
        guard var bytes = found else { throw RegistryError(.notFound, "no blob \(descriptor.digest)") }
        let served = hasRanges ? range ?? 0..<Int64(bytes.count) : 0..<Int64(bytes.count)
        var end = served.upperBound
        switch fault(number, request) {
        case .status(let code): throw RegistryError(code, "a fault")
        case .flip(let place): bytes[Int(place)] ^= 1
        case .other: bytes = bytes.map { $0 ^ 0x55 }
        case .cut(let count): end = min(end, served.lowerBound + Int64(count))
        case nil: break
        }
        let isCut = end < served.upperBound
        let pieces = Array(bytes[Int(served.lowerBound)..<Int(end)])
        return BlobStream(
            range: served,
            AsyncThrowingStream { continuation in
                for start in stride(from: 0, to: pieces.count, by: 50_000) {
                    let part = pieces[start..<min(pieces.count, start + 50_000)]
                    continuation.yield(ByteBuffer(bytes: part))
                    self.state.withLockedValue { $0.served += Int64(part.count) }
                }
                continuation.finish(throwing: isCut ? RegistryError(.unavailable, "a fault cut the stream") : nil)
            })
    }

    // MARK: Sink

    func exists(_ digest: String) async throws -> Bool { state.withLockedValue { $0.blobs[digest] != nil } }
    func mount(_ digest: String, from repository: String) async throws -> Bool { false }

    func upload(_ descriptor: Descriptor, _ body: BlobBody) async throws {
        let bytes = Array(try await body.bytes(from: 0).collect(upTo: 1 << 30).readableBytesView)
        guard "sha256:" + SHA256.hex(of: bytes) == descriptor.digest, Int64(bytes.count) == descriptor.size else {
            throw RegistryError(.wrongContent, "the blob is not what it is said to be")
        }
        state.withLockedValue { state in
            state.blobs[descriptor.digest] = bytes
            state.uploads.append(descriptor.digest)
        }
    }

    func putManifest(_ bytes: [UInt8], mediaType: String, tag: String?) async throws -> String {
        let digest = "sha256:" + SHA256.hex(of: bytes)
        state.withLockedValue { $0.manifests[digest] = bytes }
        return digest
    }
}
