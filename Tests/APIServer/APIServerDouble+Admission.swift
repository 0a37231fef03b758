import KubeAPI

extension APIServerDouble {
    /// What a node may make (NodeRestriction): pods only as mirrors of its own static ones, which name nothing secret.
    func admit(_ user: User, _ path: ResourcePath, _ object: Value) throws {
        guard user.groups.contains("system:nodes"), path.kind.plural == "pods", path.name == nil else { return }
        let node = String(user.name.dropFirst("system:node:".count))
        func refused(_ why: String) -> Refusal {
            let name = object.at("metadata", "name")?.string ?? ""
            return Refusal(403, "Forbidden", "pods \"\(name)\" is forbidden: \(why)")
        }
        guard object.at("metadata", "annotations", "kubernetes.io/config.mirror")?.string?.isEmpty == false else {
            throw refused(
                "pod does not have \"kubernetes.io/config.mirror\" annotation, node \"\(node)\" can only create mirror pods"
            )
        }
        guard object.at("spec", "nodeName")?.string == node else {
            throw refused("node \"\(node)\" can only create pods with spec.nodeName set to itself")
        }
        let owners = object.at("metadata", "ownerReferences")?.array ?? []
        let uid = self.object("nodes", name: node)?.at("metadata", "uid")
        guard owners.count == 1, let owner = owners.first, owner["kind"]?.string == "Node",
            owner["name"]?.string == node, owner["uid"] == uid, owner["controller"]?.kind == .bool(true)
        else {
            throw refused("node \"\(node)\" can only create pods with an owner reference set to itself")
        }
        for plural in ["secrets", "configmaps"] where !PodReferences.of(object, plural).isEmpty {
            throw refused("node \"\(node)\" can not create pods that reference \(plural)")
        }
        guard object.at("spec", "serviceAccountName")?.string?.isEmpty ?? true else {
            throw refused("node \"\(node)\" can not create pods that reference a service account")
        }
    }
}
