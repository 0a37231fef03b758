import Proto

/// Mounts as Docker's `Binds`: the form in which the engine itself makes a missing host directory, as the kubelet expects
/// of a runtime, also when the engine is on another machine.
enum MountMapping {
    static func binds(_ mounts: [CRI.Mount], seLinux: Bool) throws -> [String] {
        try mounts.map { try bind($0, seLinux: seLinux) }
    }

    private static func bind(_ mount: CRI.Mount, seLinux: Bool) throws -> String {
        func unsupported(_ what: String) -> ShimError {
            ShimError(.unsupported, "mount \(mount.containerPath): \(what), which the docker handler cannot do")
        }
        if let image = mount.image, !image.image.isEmpty {
            throw unsupported("the contents of image \(image.image) were asked for")
        }
        guard mount.uidMappings.isEmpty, mount.gidMappings.isEmpty else {
            throw unsupported("id mappings were asked for")
        }
        guard !mount.recursiveReadOnly else { throw unsupported("a recursively read-only mount was asked for") }
        guard mount.mountOptions.isEmpty else {
            throw unsupported("the options \(mount.mountOptions.joined(separator: ",")) were asked for")
        }
        guard mount.hostPath.hasPrefix("/"), mount.containerPath.hasPrefix("/") else {
            throw ShimError(
                .invalidArgument,
                "mount \"\(mount.hostPath)\" at \"\(mount.containerPath)\": both paths must be absolute")
        }
        guard !mount.hostPath.contains(":"), !mount.containerPath.contains(":") else {
            throw unsupported("a path with a colon, \(mount.hostPath), was asked for")
        }
        var options = [mount.readonly ? "ro" : "rw"]
        switch mount.propagation {
        case .propagationPrivate: options.append("rprivate")
        case .propagationHostToContainer: options.append("rslave")
        case .propagationBidirectional: options.append("rshared")
        default:
            throw ShimError(
                .invalidArgument, "mount \(mount.containerPath): propagation \(mount.propagation.rawValue) is unknown")
        }
        if mount.selinuxRelabel, seLinux { options.append("Z") }
        return "\(mount.hostPath):\(mount.containerPath):\(options.joined(separator: ","))"
    }
}
