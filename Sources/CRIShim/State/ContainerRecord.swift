/// What the CRI knows of a container beyond what its runtime can tell: kept in one label of the Docker object, so that it
/// lives and dies with what it describes.
struct ContainerRecord: Codable, Sendable, Hashable {
    /// The newest layout this program writes and reads.
    static let schema = 1

    struct Image: Codable, Sendable, Hashable {
        var image = ""
        var userSpecified = ""
        var handler = ""
        var annotations: [String: String]?
    }

    struct Mount: Codable, Sendable, Hashable {
        var containerPath = ""
        var hostPath = ""
        var readOnly = false
        var relabel = false
        /// The CRI's number: 0 private, 1 host to container, 2 bidirectional.
        var propagation: Int32 = 0
    }

    struct User: Codable, Sendable, Hashable {
        var uid: Int64 = 0
        var gid: Int64 = 0
        var groups: [Int64] = []
    }

    var schema = Self.schema
    var name = ""
    var attempt: UInt32 = 0
    var image = Image()
    /// The id of the image the container was made from.
    var imageID = ""
    var labels: [String: String] = [:]
    var annotations: [String: String] = [:]
    /// Absolute; empty when the container keeps no log.
    var logPath = ""
    var mounts: [Mount] = []
    var tty = false
    var stdin = false
    var stdinOnce = false
    /// The CRI's number; 0 is the image's or the runtime's.
    var stopSignal: Int32 = 0
    var user: User?
}
