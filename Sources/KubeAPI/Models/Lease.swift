/// Somebody's word that they are there (`coordination.k8s.io/v1`).
public struct Lease: KubeObject {
    public var kind = "Lease"
    public var apiVersion = "coordination.k8s.io/v1"
    public var metadata = ObjectMeta()
    public var spec = LeaseSpec()
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("kind", \.kind)
        $0("apiVersion", \.apiVersion)
        $0("metadata", \.metadata)
        $0("spec", \.spec)
    }
}

public struct LeaseSpec: KubeModel {
    public var holderIdentity = ""
    /// Seconds after ``renewTime`` for which it counts.
    public var leaseDurationSeconds: Int32 = 0
    /// To the microsecond (`metav1.MicroTime`).
    public var renewTime: PreciseTimestamp?
    public var unknownFields: [Member] = []

    public init() {}

    public static let fields = Fields<Self> {
        $0("holderIdentity", \.holderIdentity)
        $0("leaseDurationSeconds", \.leaseDurationSeconds)
        $0("renewTime", \.renewTime)
    }
}

/// A point in time that is written with microseconds (`metav1.MicroTime`).
public struct PreciseTimestamp: KubeValue {
    public var time: Timestamp

    public init(_ time: Timestamp) { self.time = time }

    public init(_ value: Value, at path: FieldPath) throws(DecodingIssue) { time = try Timestamp(value, at: path) }

    public func encoded() -> Value? {
        let nanoseconds = time.descriptionWithNanoseconds
        return Value(.string(nanoseconds.dropLast(4) + "Z"))
    }
}
