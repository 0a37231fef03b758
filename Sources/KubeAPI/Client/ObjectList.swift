/// Which objects of a collection are meant.
public struct ListSelection: Sendable, Hashable {
    /// As `spec.nodeName=mac-1`.
    public var fields: String
    public var labels: String
    /// At most so many in one answer; 0 leaves it to the server.
    public var limit: Int
    /// Where the page before ended.
    public var from: String
    /// What must have been seen; empty means all there is now.
    public var resourceVersion: String

    public init(
        fields: String = "", labels: String = "", limit: Int = 0, from: String = "", resourceVersion: String = ""
    ) {
        self.fields = fields
        self.labels = labels
        self.limit = limit
        self.from = from
        self.resourceVersion = resourceVersion
    }

    var items: [(name: String, value: String)] {
        var items: [(name: String, value: String)] = []
        func add(_ name: String, _ value: String) { if !value.isEmpty { items.append((name, value)) } }
        add("fieldSelector", fields)
        add("labelSelector", labels)
        add("limit", limit > 0 ? "\(limit)" : "")
        add("continue", from)
        add("resourceVersion", resourceVersion)
        return items
    }
}

/// One page of a list. Objects that cannot be read are not in it, but are known by name.
public struct ObjectList<Object: KubeObject>: Sendable {
    public var metadata: ListMeta
    public var items: [Object]
    public var unreadable: [UnreadableObject]

    init(_ value: Value, asked request: String) throws(KubeAPIError) {
        guard let kind = value["kind"]?.string, kind.hasSuffix("List") else {
            throw KubeAPIError(.failed, "the answer to \(request) is no list")
        }
        do throws(DecodingIssue) {
            metadata = try value["metadata"].map { value throws(DecodingIssue) in try ListMeta(value) } ?? ListMeta()
        } catch {
            throw KubeAPIError(.failed, "cannot read the answer to \(request): \(error)")
        }
        items = []
        unreadable = []
        for item in value["items"]?.array ?? [] {
            do throws(DecodingIssue) {
                items.append(try Object(item))
            } catch {
                unreadable.append(UnreadableObject(item, because: error))
            }
        }
    }
}

/// An object another version of Kubernetes, or somebody's mistake, made into something we cannot read.
public struct UnreadableObject: Sendable, Hashable {
    public var namespace: String
    public var name: String
    public var uid: String
    public var reason: String

    init(_ value: Value, because issue: DecodingIssue) {
        namespace = value["metadata"]?["namespace"]?.string ?? ""
        name = value["metadata"]?["name"]?.string ?? ""
        uid = value["metadata"]?["uid"]?.string ?? ""
        reason = issue.description
    }
}
