/// One line of a watch.
enum WatchEvent<Object: KubeObject>: Sendable {
    case changed(Object)
    case removed(Object)
    /// Nothing happened up to this version.
    case bookmark(version: String)
    /// The server ends the watch.
    case failed(KubeAPIError)
    /// Something happened to an object that cannot be read.
    case unreadable(UnreadableObject, version: String)

    init(parsing line: [UInt8]) throws(KubeAPIError) {
        let value = try Documents.json(line)
        guard let type = value["type"]?.string, let object = value["object"] else {
            throw KubeAPIError(.failed, "the API server sent something that is no watch event")
        }
        let version = object["metadata"]?["resourceVersion"]?.string ?? ""
        switch type {
        case "BOOKMARK": self = .bookmark(version: version)
        case "ERROR":
            let status = (try? Status(object)) ?? .failure(code: 500, reason: "", message: "unknown")
            var error = KubeAPIError(.refused, "the API server ended the watch: \(status.code) \(status.message)")
            error.status = status
            self = .failed(error)
        case "ADDED", "MODIFIED", "DELETED":
            do throws(DecodingIssue) {
                let read = try Object(object)
                self = type == "DELETED" ? .removed(read) : .changed(read)
            } catch {
                self = .unreadable(UnreadableObject(object, because: error), version: version)
            }
        default:
            // A newer server's: what it means is not known, where it stands is.
            self = .bookmark(version: version)
        }
    }
}
