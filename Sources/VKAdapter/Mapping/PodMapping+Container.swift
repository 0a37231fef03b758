import KubeAPI
import Proto

extension PodMapping {
    /// A container of a pod, ready for `CreateContainer`.
    /// - Parameters:
    ///   - attempt: how often the container was started before.
    ///   - imageRef: the image as the runtime knows it after pulling.
    ///   - handler: the runtime handler of the pod's sandbox.
    ///   - user: who the image runs as.
    ///   - podIPs: the addresses of the pod's sandbox.
    ///   - paths: the host paths its volumes were resolved to.
    ///   - targetID: the container whose processes an ephemeral one sees.
    /// - Throws: what the kubelet reports as `CreateContainerConfigError`.
    static func containerConfig(
        _ pod: Pod, _ container: Container, attempt: UInt32, imageRef: String, handler: String = "", user: ImageUser,
        podIPs: [String], paths: ContainerPaths, targetID: String? = nil, _ context: MappingContext
    ) throws(AdapterError) -> CRI.ContainerConfig {
        try checkNonRoot(pod, container, user: user)
        let environment = try Environment(pod, container, podIPs: podIPs, context)
        let mounts = try mounts(pod, container, paths)
        return CRI.ContainerConfig {
            $0.metadata = CRI.ContainerMetadata {
                $0.name = container.name
                $0.attempt = attempt
            }
            $0.image = CRI.ImageSpec {
                $0.image = imageRef
                $0.userSpecifiedImage = container.image
                $0.runtimeHandler = handler
            }
            $0.command = container.command.map(environment.expand)
            $0.args = container.args.map(environment.expand)
            $0.workingDir = container.workingDir
            $0.envs = environment.variables.map { variable in
                CRI.KeyValue {
                    $0.key = variable.name
                    $0.value = variable.value
                }
            }
            $0.mounts = mounts
            $0.labels = containerLabels(pod, container, context)
            $0.annotations = containerAnnotations(pod, container, attempt: attempt)
            $0.logPath = logPath(container: container.name, attempt: attempt)
            $0.stdin = container.stdin
            $0.stdinOnce = container.stdinOnce
            $0.tty = container.tty
            $0.linux = CRI.LinuxContainerConfig {
                $0.resources = containerResources(pod, container, context)
                $0.securityContext = containerSecurity(pod, container, user: user, context)
                if let targetID, $0.securityContext?.namespaceOptions?.pid == .container {
                    $0.securityContext?.namespaceOptions?.pid = .target
                    $0.securityContext?.namespaceOptions?.targetId = targetID
                }
            }
            $0.stopSignal = stopSignal(container)
        }
    }

    private static func mounts(_ pod: Pod, _ container: Container, _ paths: ContainerPaths) throws(AdapterError)
        -> [CRI.Mount]
    {
        guard paths.volumeMounts.count == container.volumeMounts.count else {
            throw AdapterError(
                .invalidArgument,
                "container \(container.name) has \(container.volumeMounts.count) volume mounts, but "
                    + "\(paths.volumeMounts.count) host paths were prepared")
        }
        // Of two at the same place the last counts: engines refuse both together.
        var places: Set<String> = []
        let chosen = zip(container.volumeMounts, paths.volumeMounts).reversed()
            .filter { places.insert(cleaned($0.0.mountPath)).inserted }.reversed()
        var mounts = chosen.map { mount, hostPath in
            let isFixed = pod.spec.volumes.first { $0.name == mount.name }?.isReadOnly(in: pod) ?? false
            return CRI.Mount {
                $0.containerPath = absolute(mount.mountPath)
                $0.hostPath = hostPath
                $0.readonly = mount.readOnly || isFixed
                $0.recursiveReadOnly = mount.recursiveReadOnly == "Enabled"
                $0.propagation =
                    switch mount.mountPropagation {
                    case "HostToContainer": .propagationHostToContainer
                    case "Bidirectional": .propagationBidirectional
                    default: .propagationPrivate
                    }
            }
        }
        func add(_ hostPath: String?, at containerPath: String) {
            guard let hostPath, !containerPath.isEmpty, !mounts.contains(where: { $0.containerPath == containerPath })
            else { return }
            mounts.append(
                CRI.Mount {
                    $0.containerPath = containerPath
                    $0.hostPath = hostPath
                })
        }
        add(paths.hosts, at: "/etc/hosts")
        add(paths.terminationMessage, at: container.terminationMessagePath)
        return mounts
    }

    /// Without what says nothing in a path.
    private static func cleaned(_ path: String) -> String {
        path.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
    }

    private static func absolute(_ path: String) -> String { path.hasPrefix("/") ? path : "/\(path)" }

    /// The `subPath` of each mount, with `subPathExpr` expanded; empty where there is none.
    /// - Throws: when an expression names a variable that is not set, or leaves the volume.
    static func subPaths(_ pod: Pod, _ container: Container, podIPs: [String], _ context: MappingContext)
        throws(AdapterError) -> [String]
    {
        guard container.volumeMounts.contains(where: { !$0.subPathExpr.isEmpty }) else {
            return container.volumeMounts.map(\.subPath)
        }
        let environment = try Environment(pod, container, podIPs: podIPs, context)
        var result: [String] = []
        for mount in container.volumeMounts {
            guard !mount.subPathExpr.isEmpty else {
                result.append(mount.subPath)
                continue
            }
            let expansion = environment.strictlyExpand(mount.subPathExpr)
            guard let path = expansion, !path.hasPrefix("/"), !path.split(separator: "/").contains("..") else {
                throw AdapterError(
                    .invalidArgument,
                    "container \(container.name): subPathExpr \"\(mount.subPathExpr)\" must name variables that are "
                        + "set and stay inside the volume")
            }
            result.append(path)
        }
        return result
    }

    private static func stopSignal(_ container: Container) -> CRI.Signal {
        guard let name = container.lifecycle?.stopSignal else { return .signalRuntimeDefault }
        let wanted = "SIGNAL_" + name.replacing("+", with: "PLUS").replacing("-", with: "MINUS")
        return (1...65).map(CRI.Signal.init(rawValue:)).first { $0.description == wanted } ?? .signalRuntimeDefault
    }
}
