/// Which objects are meant, by their labels (`metav1.LabelSelector`). An empty one means all.
public struct LabelSelector: KubeModel {
    public struct Requirement: KubeModel {
        public var key = ""
        /// `In`, `NotIn`, `Exists` or `DoesNotExist`.
        public var `operator` = ""
        public var values: [String] = []
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("key", \.key, always: true)
            $0("operator", \.`operator`, always: true)
            $0("values", \.values)
        }
    }

    public var matchLabels: [String: String] = [:]
    public var matchExpressions: [Requirement] = []
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("matchLabels", \.matchLabels)
        $0("matchExpressions", \.matchExpressions)
    }

    /// Whether an object with these labels is meant. What an unknown operator says of it is not known: it is not.
    public func matches(_ labels: [String: String]) -> Bool {
        matchLabels.allSatisfy { labels[$0.key] == $0.value }
            && matchExpressions.allSatisfy { requirement in
                let value = labels[requirement.key]
                switch requirement.operator {
                case "In": return value.map(requirement.values.contains) ?? false
                case "NotIn": return !(value.map(requirement.values.contains) ?? false)
                case "Exists": return value != nil
                case "DoesNotExist": return value == nil
                default: return false
                }
            }
    }
}
