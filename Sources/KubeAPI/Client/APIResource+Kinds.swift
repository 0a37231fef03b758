extension APIResource where Object == Pod {
    public static var pods: Self { Self(plural: "pods") }
}

extension APIResource where Object == Node {
    public static var nodes: Self { Self(plural: "nodes", isNamespaced: false) }
}

extension APIResource where Object == Lease {
    public static var leases: Self { Self(group: "coordination.k8s.io", plural: "leases") }
}

extension APIResource where Object == ConfigMap {
    public static var configMaps: Self { Self(plural: "configmaps") }
}

extension APIResource where Object == Secret {
    public static var secrets: Self { Self(plural: "secrets") }
}
