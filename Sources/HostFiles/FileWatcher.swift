/// Tells when something in a directory changes: a file made, written, renamed or removed. What changed is for the
/// listener to look up; several changes may be told as one.
public struct FileWatcher: AsyncSequence, Sendable {
    public typealias Element = Void
    private let stream: AsyncStream<Void>
    /// Ends the watch when it goes.
    private let watch: DirectoryWatch

    /// - Throws: `HostFilesError` when the directory cannot be watched.
    public init(directory: String) throws {
        let (stream, changes) = AsyncStream.makeStream(of: Void.self, bufferingPolicy: .bufferingNewest(1))
        self.stream = stream
        watch = try DirectoryWatch(directory, changes)
    }

    public struct AsyncIterator: AsyncIteratorProtocol {
        var base: AsyncStream<Void>.AsyncIterator
        let watch: DirectoryWatch

        /// Ends when the task is cancelled.
        public mutating func next() async -> Void? { await base.next() }
    }

    public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(base: stream.makeAsyncIterator(), watch: watch) }
}
