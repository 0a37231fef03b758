import Logging

/// Whether an image's machines may start before it is here.
struct LazyStart: Sendable {
    /// Of a pod; counts before the configuration.
    static let annotation = "vzcri.dev/lazy-start"
    static let never = LazyStart(isWanted: false, servers: nil, logger: nil)

    private let isWanted: Bool
    private let servers: ImageServers?
    private let logger: Logger?

    init(isWanted: Bool, servers: ImageServers?, logger: Logger?) {
        self.isWanted = isWanted
        self.servers = servers
        self.logger = logger
    }

    /// - Returns: what serves the image meanwhile; nil when all of it is to be here first.
    /// - Throws: `invalidArgument` for an annotation that is neither true nor false.
    func servers(for annotations: [String: String], image: String) throws -> ImageServers? {
        switch annotations[Self.annotation] {
        case nil: guard isWanted else { return nil }
        case "true": break
        case "false": return nil
        case let text?:
            throw ShimError(
                .invalidArgument, "pulling \(image): annotation \(Self.annotation) is true or false, not \"\(text)\"")
        }
        if servers == nil {
            logger?.notice(
                "machines of this host start when all of their image is here: Virtualization.framework reads no overlay",
                metadata: ["image": "\(image)"])
        }
        return servers
    }
}
