/// One environment variable: a text, or where to take it from.
public struct EnvVar: KubeModel {
    public var name = ""
    public var value = ""
    public var valueFrom: EnvVarSource?
    public var unknownFields: [Member] = []
    public init() {}
    public init(name: String, value: String) {
        self.name = name
        self.value = value
    }
    public static let fields = Fields<Self> {
        $0("name", \.name, always: true)
        $0("value", \.value)
        $0("valueFrom", \.valueFrom)
    }
}

/// Where a variable's value comes from: one of the members is set.
public struct EnvVarSource: KubeModel {
    public var fieldRef: ObjectFieldSelector?
    public var resourceFieldRef: ResourceFieldSelector?
    public var configMapKeyRef: KeySelector?
    public var secretKeyRef: KeySelector?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("fieldRef", \.fieldRef)
        $0("resourceFieldRef", \.resourceFieldRef)
        $0("configMapKeyRef", \.configMapKeyRef)
        $0("secretKeyRef", \.secretKeyRef)
    }
}

/// A field of the pod itself.
public struct ObjectFieldSelector: KubeModel {
    public var apiVersion = ""
    public var fieldPath = ""
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("apiVersion", \.apiVersion)
        $0("fieldPath", \.fieldPath, always: true)
    }
}

/// A resource of one of the pod's containers.
public struct ResourceFieldSelector: KubeModel {
    /// Empty: the container the variable belongs to.
    public var containerName = ""
    /// As `limits.memory`.
    public var resource = ""
    /// What one is; 1 when absent or zero.
    public var divisor: Quantity?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("containerName", \.containerName)
        $0("resource", \.resource, always: true)
        $0("divisor", \.divisor)
    }
}

/// One key of a ConfigMap or Secret.
public struct KeySelector: KubeModel {
    public var name = ""
    public var key = ""
    public var optional: Bool?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("name", \.name)
        $0("key", \.key, always: true)
        $0("optional", \.optional)
    }
}

/// All keys of a ConfigMap or Secret as variables.
public struct EnvFromSource: KubeModel {
    public struct Reference: KubeModel {
        public var name = ""
        public var optional: Bool?
        public var unknownFields: [Member] = []
        public init() {}
        public static let fields = Fields<Self> {
            $0("name", \.name)
            $0("optional", \.optional)
        }
    }
    public var prefix = ""
    public var configMapRef: Reference?
    public var secretRef: Reference?
    public var unknownFields: [Member] = []
    public init() {}
    public static let fields = Fields<Self> {
        $0("prefix", \.prefix)
        $0("configMapRef", \.configMapRef)
        $0("secretRef", \.secretRef)
    }
}
