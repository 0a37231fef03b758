public import NIOCore
import NIOHTTP1

extension DockerClient {
    /// A file or directory of a container, which need not run, as a tar archive: seen as the container's processes would,
    /// its mounts included.
    /// - Parameter limit: bytes the archive may have.
    /// - Throws: `notFound` when the container or the path is not there.
    public func archive(of path: String, in container: String, limit: Int = 1 << 20) async throws -> ByteBuffer {
        try await withDeadline(.seconds(60), path) { [self] in
            let bytes = try await open(
                .GET, "/containers/\(try Self.segment(container))/archive", [("path", path)], timeout: .seconds(60))
            var archive = ByteBuffer()
            for try await var piece in bytes {
                guard archive.readableBytes + piece.readableBytes <= limit else {
                    throw DockerError(.failed, "\(path) in container \(container) is larger than \(limit) bytes")
                }
                archive.writeBuffer(&piece)
            }
            return archive
        }
    }
}
