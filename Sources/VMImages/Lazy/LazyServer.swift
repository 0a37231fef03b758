import HostFiles
import Logging
import NBD
import NIOPosix
public import Registry

/// The process that fetches an image and serves its disks: one for each image, however many machines read from it. It is
/// started by whoever first needs it, outlives that one, and ends when the image is whole and no machine reads any more.
public struct LazyServer: Sendable {
    private let image: String
    private let store: ImageStore
    private let place: LazyPlace

    public init(image: String, store: ImageStore, place: LazyPlace) {
        self.image = image
        self.store = store
        self.place = place
    }

    /// Serves until nobody needs it, or until the task is cancelled.
    ///
    /// - Parameter source: where blobs come from.
    /// - Throws: `notFound` when there is no such image; `SocketError` when another process serves it; whatever keeps the
    ///   image from becoming whole.
    public func run(source: @escaping @Sendable (LazySource) async throws -> any BlobSource) async throws {
        try await ImageStore.offload { try place.make() }
        let opened = try await LazyImage.open(image, in: store, source: source)
        let server = NBDServer(exports: opened.exports, logger: store.logger)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                try await server.run(at: place.socket, group: MultiThreadedEventLoopGroup.singleton) {
                    try await ImageStore.offload { try place.noteServing() }
                }
                return true
            }
            group.addTask {
                if try await changed({ place.hasStarted }) { try await opened.guestStarted() }
                return false
            }
            group.addTask {
                try await opened.run()
                return try await changed { try place.retire() }
            }
            defer { group.cancelAll() }
            // Ends when nobody needs it; what throws ends it as well.
            while let isEnd = try await group.next(), !isEnd {}
        }
        store.logger.info("nobody reads from the image any more", metadata: ["image": "\(image)"])
    }

    /// Waits until something is so that shows in the place.
    /// - Returns: false when the task was cancelled first.
    private func changed(_ condition: @escaping @Sendable () throws -> Bool) async throws -> Bool {
        let changes = try FileWatcher(directory: place.directory)
        if try await ImageStore.offload(condition) { return true }
        for await _ in changes where try await ImageStore.offload(condition) { return true }
        return false
    }
}
