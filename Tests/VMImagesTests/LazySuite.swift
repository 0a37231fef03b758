import NBD
import NIOCore
import Registry
import Testing

@testable import VMImages

/// Tests of one image in a registry that is read while it is fetched.
protocol LazySuite: Sendable {
    var reference: ImageReference { get }
    var registry: MemoryRegistry { get }
    /// The image's.
    var manifest: [UInt8] { get }
}

extension LazySuite {
    var id: String { "sha256:" + SHA256.hex(of: manifest) }

    @discardableResult
    func begin(_ fixture: Fixture, _ source: MemoryRegistry? = nil) async throws -> VMImage? {
        try await ImagePuller(store: fixture.store).begin(
            reference, manifest: manifest, from: source ?? registry,
            origin: LazySource(reference, credentials: .basic(user: "u", password: "p"), configuration: .init()))
    }

    var timing: LazyFetch.Timing {
        var timing = LazyFetch.Timing()
        timing.quiet = .seconds(600)
        (timing.longestPause, timing.retry, timing.sync) = (.milliseconds(50), .milliseconds(50), .milliseconds(50))
        return timing
    }

    /// Opens the image, and has it run while `body` reads.
    func serving(
        _ fixture: Fixture, _ source: MemoryRegistry, timing: LazyFetch.Timing? = nil,
        _ body: @escaping @Sendable (LazyImage) async throws -> Void
    ) async throws {
        let image = try await LazyImage.open(id, in: fixture.store, timing: timing ?? self.timing) { _ in source }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await image.run() }
            group.addTask { try await body(image) }
            // Both have to succeed.
            for try await _ in group {}
        }
    }

    func bytes(_ image: LazyImage, _ range: Range<some BinaryInteger>) async throws -> [UInt8] {
        let export = try #require(image.exports.first)
        return try await export.read(UInt64(range.lowerBound)..<UInt64(range.upperBound)).flatMap { piece -> [UInt8] in
            switch piece {
            case .data(let data): Array(data.readableBytesView)
            case .zeros(let count): [UInt8](repeating: 0, count: count)
            }
        }
    }
}
