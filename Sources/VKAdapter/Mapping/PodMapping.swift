import KubeAPI
import Proto

/// Pods as the runtime is told of them: pure functions, names and texts exactly as the kubelet's.
enum PodMapping {
    /// `NAMESPACE_NAME_UID` under the log root.
    static func logDirectory(_ pod: Pod, _ context: MappingContext) -> String {
        let name = "\(pod.metadata.namespace)_\(pod.metadata.name)_\(pod.metadata.uid)"
        return context.logRoot.hasSuffix("/") ? context.logRoot + name : "\(context.logRoot)/\(name)"
    }

    /// The log file of one run of a container, relative to the pod's log directory.
    static func logPath(container: String, attempt: UInt32) -> String { "\(container)/\(attempt).log" }

    /// What of a container makes it another one when it changes: name and image, as in the kubelet.
    static func hash(_ container: Container) -> String {
        let value = Value(
            .object([
                Member("image", Value(.string(container.image))), Member("name", Value(.string(container.name))),
            ]))
        var hash: UInt32 = 2_166_136_261
        for byte in value.jsonBytes() { hash = (hash ^ UInt32(byte)) &* 16_777_619 }
        return String(hash, radix: 16)
    }

    static func sandboxLabels(_ pod: Pod, _ context: MappingContext) -> [String: String] {
        pod.metadata.labels.merging(identityLabels(pod, context)) { $1 }
    }

    static func containerLabels(_ pod: Pod, _ container: Container, _ context: MappingContext) -> [String: String] {
        var labels = identityLabels(pod, context)
        labels[KubeletLabel.containerName] = container.name
        return labels
    }

    private static func identityLabels(_ pod: Pod, _ context: MappingContext) -> [String: String] {
        var labels = context.labels
        labels[KubeletLabel.podName] = pod.metadata.name
        labels[KubeletLabel.podNamespace] = pod.metadata.namespace
        labels[KubeletLabel.podUID] = pod.metadata.uid
        return labels
    }

    static func containerAnnotations(_ pod: Pod, _ container: Container, attempt: UInt32) -> [String: String] {
        var annotations = [
            KubeletAnnotation.containerHash: hash(container),
            KubeletAnnotation.restartCount: String(attempt),
            KubeletAnnotation.terminationMessagePath: container.terminationMessagePath,
            KubeletAnnotation.terminationMessagePolicy: container.terminationMessagePolicy,
        ]
        if let seconds = pod.metadata.deletionGracePeriodSeconds {
            annotations[KubeletAnnotation.podDeletionGracePeriod] = String(seconds)
        }
        if let seconds = pod.spec.terminationGracePeriodSeconds {
            annotations[KubeletAnnotation.podTerminationGracePeriod] = String(seconds)
        }
        if let handler = container.lifecycle?.preStop {
            annotations[KubeletAnnotation.preStopHandler] = String(
                decoding: handler.encodedAlways().jsonBytes(), as: UTF8.self)
        }
        if !container.ports.isEmpty {
            annotations[KubeletAnnotation.ports] = String(
                decoding: container.ports.encodedAlways().jsonBytes(), as: UTF8.self)
        }
        // The CRI tells a runtime of limits only; a machine without one is made as large as was requested.
        if let request = container.resources.requests["memory"], request.value > 0 {
            annotations[KubeletAnnotation.memoryRequest] = String(request.value)
        }
        return annotations
    }

    /// The name the pod's processes see; empty for the host's own.
    static func hostname(_ pod: Pod, _ context: MappingContext) -> String {
        if pod.spec.hostNetwork { return "" }
        var name = pod.spec.hostname.isEmpty ? pod.metadata.name : pod.spec.hostname
        if name.utf8.count > 63 {
            name = String(decoding: name.utf8.prefix(63), as: UTF8.self)
            while name.hasSuffix("-") || name.hasSuffix(".") { name.removeLast() }
        }
        if pod.spec.setHostnameAsFQDN == true, let domain = domain(pod, context) {
            let full = "\(name).\(domain)"
            if full.utf8.count <= 64 { return full }
        }
        return name
    }

    /// The domain of a pod with a `subdomain`; `nil` without.
    static func domain(_ pod: Pod, _ context: MappingContext) -> String? {
        guard !pod.spec.subdomain.isEmpty else { return nil }
        let suffix = context.clusterDomain.isEmpty ? "" : ".\(context.clusterDomain)"
        return "\(pod.spec.subdomain).\(pod.metadata.namespace).svc\(suffix)"
    }

    /// The CRI runtime handler the pod asks for.
    static func runtimeHandler(_ pod: Pod, _ context: MappingContext) -> String {
        guard let name = pod.spec.runtimeClassName, !name.isEmpty else { return context.defaultRuntimeHandler }
        return context.runtimeHandlers[name] ?? name
    }

    /// The hosts file of a pod; `nil` where the host's or the runtime's own is right.
    /// - Parameter isHybrid: machines share the pod with containers, which then find them by the name `vm`: at the pod's
    ///   address their declared ports are reached, whether they share it (Linux) or own it (macOS).
    static func hostsFile(
        _ pod: Pod, podIPs: [String], isHybrid: Bool = false, _ context: MappingContext
    ) -> String? {
        guard !pod.spec.hostNetwork, !podIPs.isEmpty else { return nil }
        let short = pod.spec.hostname.isEmpty ? pod.metadata.name : pod.spec.hostname
        let names = domain(pod, context).map { "\(short).\($0)\t\(short)" } ?? short
        var text = """
            # Kubernetes-managed hosts file.
            127.0.0.1\tlocalhost
            ::1\tlocalhost ip6-localhost ip6-loopback
            fe00::0\tip6-localnet
            fe00::0\tip6-mcastprefix
            fe00::1\tip6-allnodes
            fe00::2\tip6-allrouters

            """
        for ip in podIPs { text += "\(ip)\t\(names)\n" }
        if isHybrid, let ip = podIPs.first { text += "\(ip)\tvm\n" }
        if !pod.spec.hostAliases.isEmpty {
            text += "\n# Entries added by HostAliases.\n"
            for alias in pod.spec.hostAliases { text += "\(alias.ip)\t\(alias.hostnames.joined(separator: "\t"))\n" }
        }
        return text
    }
}
