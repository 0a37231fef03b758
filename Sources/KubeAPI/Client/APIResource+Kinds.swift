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

extension APIResource where Object == ClusterService {
    public static var services: Self { Self(plural: "services") }
}

extension APIResource where Object == ServiceAccount {
    public static var serviceAccounts: Self { Self(plural: "serviceaccounts") }
}

extension APIResource where Object == PersistentVolumeClaim {
    public static var persistentVolumeClaims: Self { Self(plural: "persistentvolumeclaims") }
}

extension APIResource where Object == PersistentVolume {
    public static var persistentVolumes: Self { Self(plural: "persistentvolumes", isNamespaced: false) }
}

extension APIResource where Object == ClusterTrustBundle {
    public static var clusterTrustBundles: Self {
        Self(group: "certificates.k8s.io", version: "v1beta1", plural: "clustertrustbundles", isNamespaced: false)
    }
}
