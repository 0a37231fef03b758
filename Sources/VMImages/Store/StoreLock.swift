#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The store's lock, between processes and within one. It is held for renames and for the index, never while data is
/// copied.
struct StoreLock {
    /// Longer than any change takes, the removal of a large disk among them.
    static let limit = Duration.seconds(60)
    private let file: OpenFile

    /// Waits until nobody else changes the store. Blocks.
    /// - Throws: `failed` when that takes too long.
    init(_ path: String, limit: Duration = Self.limit) throws {
        file = try OpenFile.locking(path)
        let deadline = ContinuousClock.now + limit
        while try !file.tryLock() {
            // There is no wait for a file's lock with an end.
            guard ContinuousClock.now < deadline else {
                throw VMImageError(
                    .failed,
                    "cannot change the images: another process has held \(path) for \(limit.components.seconds) s; "
                        + "see what it does (fuser \(path))")
            }
            usleep(10_000)
        }
    }

    /// Runs `body` while nobody else changes the store.
    static func with<Result>(_ path: String, _ body: () throws -> Result) throws -> Result {
        let lock = try StoreLock(path)
        return try withExtendedLifetime(lock.file) { try body() }
    }
}
