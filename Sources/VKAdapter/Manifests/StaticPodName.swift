import KubeAPI

/// What a kubelet adds to a pod that comes from a file.
enum StaticPod {
    static let sourceAnnotation = "kubernetes.io/config.source"
    static let hashAnnotation = "kubernetes.io/config.hash"
    /// The name of the file the pod came from: a pod whose file cannot be read is told from one whose file is gone.
    static let fileAnnotation = "vzcri.dev/manifest-file"

    /// The pod a manifest means on this node: named after the node, identified by node and content, so that the same
    /// file is the same pod after every restart and an edited one is another.
    static func make(_ manifest: Pod, file: String, nodeName: String) -> Pod {
        var pod = manifest
        pod.status = PodStatus()
        pod.metadata.creationTimestamp = nil
        pod.metadata.deletionTimestamp = nil
        pod.metadata.deletionGracePeriodSeconds = nil
        pod.metadata.uid = ""
        pod.metadata.uid = uid(pod, nodeName: nodeName)
        pod.metadata.name = "\(manifest.metadata.name)-\(nodeName.lowercased())"
        pod.metadata.annotations[sourceAnnotation] = "file"
        pod.metadata.annotations[hashAnnotation] = pod.metadata.uid
        pod.metadata.annotations[fileAnnotation] = file
        pod.spec.nodeName = nodeName
        return pod
    }

    /// In the form of a UUID, of node name and content.
    private static func uid(_ pod: Pod, nodeName: String) -> String {
        let content = pod.encodedAlways().canonicalJSONBytes()
        let digits = Array(ContentHash.sha256(Array(nodeName.utf8) + [0] + content).prefix(32))
        let cuts = [0, 8, 12, 16, 20, 32]
        return zip(cuts, cuts.dropFirst()).map { String(digits[$0..<$1]) }.joined(separator: "-")
    }

    /// Whether a file in the directory is a manifest: not hidden, no editor's temporary, one of three endings.
    static func isManifest(_ name: String) -> Bool {
        guard !name.hasPrefix("."), !name.hasPrefix("#"), !name.hasSuffix("~") else { return false }
        return [".yaml", ".yml", ".json"].contains { name.hasSuffix($0) }
    }
}
