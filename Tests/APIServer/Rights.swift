import KubeAPI
import NIOHTTP1
import Synchronization

/// What somebody wants to do (the API's own words).
enum Verb: String, Sendable {
    case get, list, watch, create, update, patch, delete

    init(_ method: HTTPMethod, _ path: ResourcePath, isWatch: Bool) {
        self =
            switch method {
            case .POST: .create
            case .PUT: .update
            case .PATCH: .patch
            case .DELETE: .delete
            default: path.name != nil ? .get : isWatch ? .watch : .list
            }
    }
}

extension APIServerDouble {
    /// What members of `system:nodes` may do (the node authorizer and NodeRestriction, as observed on 1.36); everybody
    /// else may do everything.
    func authorize(_ user: User, verb: Verb, _ path: ResourcePath, _ selector: Selector) throws {
        guard user.groups.contains("system:nodes") else { return }
        let node = String(user.name.dropFirst("system:node:".count))
        let isAllowed: Bool =
            switch (path.kind.plural, verb) {
            case ("nodes", .create): true
            case ("nodes", .get): path.name == node && path.subresource == nil
            case ("nodes", .list), ("nodes", .watch): selector.names(node)
            case ("nodes", .patch), ("nodes", .update): path.name == node
            case ("pods", .list), ("pods", .watch): selector.required("spec.nodeName") == node
            // Of a pod that is not there it is not known whose it was.
            case ("pods", .get): isOwn(path, node) && path.name.map { (try? get(path, $0)) != nil } == true
            case ("pods", .delete): isOwn(path, node)
            // Mirrors of static pods, which are looked at when their content is known.
            case ("pods", .create): path.subresource == nil
            case ("pods", .patch), ("pods", .update): path.subresource == "status" && isOwn(path, node)
            case ("leases", _): path.namespace == "kube-node-lease" && (path.name == nil || path.name == node)
            case ("events", .create), ("events", .patch), ("events", .update): true
            case ("tokenreviews", .create), ("subjectaccessreviews", .create): true
            case ("services", .get), ("services", .list), ("services", .watch): true
            case ("runtimeclasses", .get), ("runtimeclasses", .list), ("runtimeclasses", .watch): true
            case ("certificatesigningrequests", .create), ("certificatesigningrequests", .get),
                ("certificatesigningrequests", .list), ("certificatesigningrequests", .watch):
                true
            case ("secrets", .get), ("configmaps", .get): isUsed(path, path.name, node)
            case ("secrets", .list), ("secrets", .watch), ("configmaps", .list), ("configmaps", .watch):
                isUsed(path, selector.required("metadata.name"), node)
            case ("serviceaccounts", .create): path.subresource == "token" && runs(path, as: path.name, node)
            case ("persistentvolumeclaims", .get): isUsed(path, path.name, node)
            case ("persistentvolumes", .get): isClaimed(path.name, node)
            case ("clustertrustbundles", .get), ("clustertrustbundles", .list), ("clustertrustbundles", .watch): true
            default: false
            }
        guard isAllowed else {
            let name = path.name.map { " \"\($0)\"" } ?? ""
            throw Refusal(
                403, "Forbidden",
                "\(path.kind.qualified)\(name) is forbidden: User \"\(user.name)\" cannot \(verb.rawValue) resource "
                    + "\"\(path.kind.plural)\" in API group \"\(path.kind.group)\"")
        }
    }

    /// NodeRestriction: labels below `kubernetes.io` and `k8s.io` are the cluster's, but for those of a machine.
    func refuseForeignLabels(_ user: User, _ labels: [String], of node: String) throws {
        guard user.groups.contains("system:nodes") else { return }
        let known = ["hostname", "os", "arch"].map { "kubernetes.io/" + $0 }
        let refused = labels.filter { label in
            let namespace = label.split(separator: "/").first ?? ""
            return label.contains("/") && !known.contains(label) && namespace != "node.kubernetes.io"
                && namespace != "kubelet.kubernetes.io"
                && (namespace.hasSuffix("kubernetes.io") || namespace.hasSuffix("k8s.io"))
        }
        guard refused.isEmpty else {
            throw Refusal(
                403, "Forbidden",
                "nodes \"\(node)\" is forbidden: node \"\(node)\" is not allowed to set the following labels: "
                    + refused.sorted().joined(separator: ", "))
        }
    }

    private func isOwn(_ path: ResourcePath, _ node: String) -> Bool {
        guard let name = path.name, let pod = try? get(path, name) else { return true }
        return pod.at("spec", "nodeName")?.string == node
    }

    /// Whether a pod of the node uses a secret or config map.
    private func isUsed(_ path: ResourcePath, _ name: String?, _ node: String) -> Bool {
        guard let name, let namespace = path.namespace else { return false }
        return state.withLock { state in
            state.storage.objects.contains { key, pod in
                key.kind.plural == "pods" && key.namespace == namespace
                    && pod.at("spec", "nodeName")?.string == node
                    && PodReferences.of(pod, path.kind.plural).contains(name)
            }
        }
    }

    /// Whether a pod of the node runs as a service account.
    private func runs(_ path: ResourcePath, as name: String?, _ node: String) -> Bool {
        state.withLock { state in
            state.storage.objects.contains { key, pod in
                key.kind.plural == "pods" && key.namespace == path.namespace
                    && pod.at("spec", "nodeName")?.string == node
                    && (pod.at("spec", "serviceAccountName")?.string ?? "default") == name
            }
        }
    }

    /// Whether a volume is bound to a claim a pod of the node uses.
    private func isClaimed(_ name: String?, _ node: String) -> Bool {
        let claims = state.withLock { state in
            state.storage.objects.filter {
                $0.key.kind.plural == "persistentvolumeclaims" && $0.value.at("spec", "volumeName")?.string == name
            }.map(\.key)
        }
        return claims.contains { claim in
            guard let path = ResourcePath("/api/v1/namespaces/\(claim.namespace)/persistentvolumeclaims/\(claim.name)")
            else { return false }
            return isUsed(path, claim.name, node)
        }
    }
}
