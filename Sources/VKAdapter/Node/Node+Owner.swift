import KubeAPI

extension Node {
    /// What makes an object go with this node.
    /// - Parameter isController: the object is the node's doing alone.
    func ownerReference(isController: Bool = false) -> Value {
        var members = [
            Member("apiVersion", Value(.string("v1"))), Member("kind", Value(.string("Node"))),
            Member("name", Value(.string(metadata.name))), Member("uid", Value(.string(metadata.uid))),
        ]
        if isController { members.append(Member("controller", Value(.bool(true)))) }
        return Value(.object(members))
    }
}
