import Docker
import Logging
import NIOCore
import Registry

/// The image of pause containers: the configured one where it can be had, else our own, made on the spot.
final class PauseImage: Sendable {
    struct Choice: Sendable {
        var reference: String
        /// Our own program: it can forward ports and kill.
        var builtIn: Bool
    }

    private let client: DockerClient
    private let configured: String?
    private let info: RuntimeInfo
    private let logger: Logger
    private let serial = KeyedSerial()

    init(client: DockerClient, configured: String?, info: RuntimeInfo, logger: Logger) {
        self.client = client
        self.configured = configured
        self.info = info
        self.logger = logger
    }

    /// True for names of images that garbage collection must leave alone.
    func isPause(tags: [String]) -> Bool {
        tags.contains { $0 == PodHelper.image || $0 == configured }
    }

    /// The image to make pause containers of, present on the engine when this returns.
    func choose() async throws -> Choice {
        if let configured {
            do {
                try await provide(configured)
                return Choice(reference: configured, builtIn: false)
            } catch let error as DockerError where error.code != .unavailable {
                logger.warning(
                    "the configured pause image cannot be had; the built-in one takes its place",
                    metadata: ["image": "\(configured)", "error": "\(error)"])
            }
        }
        return Choice(reference: try await builtIn(), builtIn: true)
    }

    private func provide(_ reference: String) async throws {
        if try await client.inspectImageIfPresent(reference) != nil { return }
        let parsed = try ImageReference(parsing: reference)
        for try await _ in try await client.pullImage(
            parsed.name, tag: parsed.digest ?? parsed.tag ?? "latest", auth: nil)
        {}
    }

    /// Our own image, imported if the engine has not got this version of it.
    func builtIn() async throws -> String {
        try await serial.run(PodHelper.image) {
            if let found = try await client.inspectImageIfPresent(PodHelper.image),
                found.config?.labels?[PodHelper.sourceLabel] == PodHelper.source
            {
                return PodHelper.image
            }
            let archive = try PodHelper.archive(for: info.engine?.architecture ?? "")
            try await client.importImage(
                ByteBuffer(bytes: archive), repository: PodHelper.repository, tag: PodHelper.tag,
                changes: [
                    "ENTRYPOINT [\"\(PodHelper.path)\"]",
                    "LABEL \(PodHelper.sourceLabel)=\(PodHelper.source)",
                ])
            logger.info("pause image made", metadata: ["image": "\(PodHelper.image)"])
            return PodHelper.image
        }
    }
}
