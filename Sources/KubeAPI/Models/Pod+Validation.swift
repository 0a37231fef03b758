extension Pod {
    /// What an API server would refuse and a runtime could only fail on later; empty for a good pod. Expects defaults.
    public func validate() -> [DecodingIssue] {
        var check = PodCheck()
        check.run(self)
        return check.issues
    }
}

private struct PodCheck {
    var issues: [DecodingIssue] = []

    mutating func add(_ path: String, _ reason: String) {
        issues.append(DecodingIssue(path: path, line: 0, reason: reason))
    }

    mutating func run(_ pod: Pod) {
        name("metadata.name", pod.metadata.name, subdomain: true)
        name("metadata.namespace", pod.metadata.namespace)
        if pod.spec.containers.isEmpty { add("spec.containers", "at least one container is needed") }
        oneOf("spec.restartPolicy", pod.spec.restartPolicy.rawValue, ["Always", "OnFailure", "Never"])
        oneOf(
            "spec.dnsPolicy", pod.spec.dnsPolicy.rawValue,
            ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"])
        if pod.spec.dnsPolicy == .none, pod.spec.dnsConfig?.nameservers.isEmpty != false {
            add("spec.dnsConfig.nameservers", "dnsPolicy None needs at least one name server")
        }
        if !pod.spec.hostname.isEmpty { name("spec.hostname", pod.spec.hostname) }
        if pod.spec.terminationGracePeriodSeconds ?? 0 < 0 {
            add("spec.terminationGracePeriodSeconds", "must not be negative")
        }
        var volumes: Set<String> = []
        for (index, volume) in pod.spec.volumes.enumerated() {
            let path = "spec.volumes[\(index)]"
            name("\(path).name", volume.name)
            if !volumes.insert(volume.name).inserted { add("\(path).name", "two volumes are named \"\(volume.name)\"") }
            if let host = volume.hostPath {
                if !host.path.hasPrefix("/") { add("\(path).hostPath.path", "must be an absolute path") }
                if host.path.split(separator: "/").contains("..") {
                    add("\(path).hostPath.path", "must not contain \"..\"")
                }
            }
        }
        var names: Set<String> = []
        for (field, list) in [("initContainers", pod.spec.initContainers), ("containers", pod.spec.containers)] {
            for (index, container) in list.enumerated() {
                let path = "spec.\(field)[\(index)]"
                if !names.insert(container.name).inserted {
                    add("\(path).name", "two containers are named \"\(container.name)\"")
                }
                self.container(path, container, volumes: volumes)
            }
        }
    }

    private mutating func container(_ path: String, _ container: Container, volumes: Set<String>) {
        name("\(path).name", container.name)
        if container.image.isEmpty { add("\(path).image", "an image is needed") }
        if container.image.contains(where: \.isWhitespace) { add("\(path).image", "an image name has no white space") }
        oneOf("\(path).imagePullPolicy", container.imagePullPolicy.rawValue, ["Always", "IfNotPresent", "Never"])
        for (index, port) in container.ports.enumerated() {
            let path = "\(path).ports[\(index)]"
            if !(1...65535).contains(port.containerPort) { add("\(path).containerPort", "must be between 1 and 65535") }
            if !(0...65535).contains(port.hostPort) { add("\(path).hostPort", "must be between 1 and 65535") }
            oneOf("\(path).protocol", port.protocol, ["TCP", "UDP", "SCTP"])
        }
        for (index, variable) in container.env.enumerated() {
            if variable.name.isEmpty || variable.name.contains("=") || variable.name.utf8.contains(0) {
                add("\(path).env[\(index)].name", "a variable needs a name without '='")
            }
        }
        var mountPaths: Set<String> = []
        for (index, mount) in container.volumeMounts.enumerated() {
            let path = "\(path).volumeMounts[\(index)]"
            if !volumes.contains(mount.name) { add("\(path).name", "the pod has no volume \"\(mount.name)\"") }
            if mount.mountPath.isEmpty { add("\(path).mountPath", "a mount path is needed") }
            if !mountPaths.insert(mount.mountPath).inserted {
                add("\(path).mountPath", "mounted twice: \(mount.mountPath)")
            }
            if !mount.subPath.isEmpty, !mount.subPathExpr.isEmpty {
                add("\(path).subPathExpr", "give subPath or subPathExpr, not both")
            }
            for (field, value) in [("subPath", mount.subPath), ("subPathExpr", mount.subPathExpr)] {
                if value.hasPrefix("/") { add("\(path).\(field)", "must be a relative path") }
                if value.split(separator: "/").contains("..") { add("\(path).\(field)", "must not contain \"..\"") }
            }
        }
        for (resource, limit) in container.resources.limits.sorted(by: { $0.key < $1.key }) {
            if limit.milliValue < 0 { add("\(path).resources.limits.\(resource)", "must not be negative") }
            if let request = container.resources.requests[resource], request.milliValue > limit.milliValue {
                add("\(path).resources.requests.\(resource)", "\(request) is more than the limit \(limit)")
            }
        }
    }

    private mutating func oneOf(_ path: String, _ value: String, _ allowed: [String]) {
        if !allowed.contains(value) { add(path, "\"\(value)\" is none of \(allowed.joined(separator: ", "))") }
    }

    /// A DNS label, or a subdomain of labels (RFC 1123).
    private mutating func name(_ path: String, _ text: String, subdomain: Bool = false) {
        guard !text.isEmpty else { return add(path, "a name is needed") }
        let labels = subdomain ? text.split(separator: ".", omittingEmptySubsequences: false) : [text[...]]
        let limit = subdomain ? 253 : 63
        let good = labels.allSatisfy { label in
            guard let first = label.utf8.first, let last = label.utf8.last else { return false }
            return first != UInt8(ascii: "-") && last != UInt8(ascii: "-")
                && label.utf8.allSatisfy { (0x61...0x7A).contains($0) || (0x30...0x39).contains($0) || $0 == 0x2D }
        }
        guard good, text.utf8.count <= limit else {
            let kind = subdomain ? "'-' and '.'" : "'-'"
            return add(
                path,
                "\"\(text)\" is no name: lower-case letters, digits, \(kind), a letter or digit at both ends, "
                    + "at most \(limit) characters")
        }
    }
}
