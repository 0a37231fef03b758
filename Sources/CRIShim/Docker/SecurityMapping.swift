import Proto

/// Seccomp, AppArmor, SELinux, users and capabilities as Docker takes them.
enum SecurityMapping {
    /// Docker's `SecurityOpt` for a container.
    /// - Parameter seccompProfile: the contents of the profile that `seccomp` names, when it is a file.
    static func options(
        seccomp: SecurityProfileRecord?, seccompProfile: String?, appArmor: SecurityProfileRecord?,
        seLinux: SELinuxRecord?, noNewPrivileges: Bool, privileged: Bool, context: MappingContext
    ) throws -> [String] {
        var options: [String] = []
        if !privileged {
            switch seccomp?.kind {
            case nil, 1: options.append("seccomp=unconfined")  // not asked for is unconfined, as containerd has it
            case 0: break
            case 2:
                guard let seccompProfile else {
                    throw ShimError(.invalidArgument, "a localhost seccomp profile was asked for without a file name")
                }
                options.append("seccomp=" + seccompProfile)
            case let kind?: throw ShimError(.invalidArgument, "seccomp profile type \(kind) is unknown")
            }
        }
        switch appArmor?.kind {
        case nil, 0: break
        case 1: if context.appArmor { options.append("apparmor=unconfined") }
        case 2:
            guard context.appArmor else {
                throw ShimError(
                    .invalidArgument,
                    "AppArmor profile \(appArmor!.reference) was asked for, but the engine's host has no AppArmor")
            }
            options.append("apparmor=" + appArmor!.reference)
        case let kind?: throw ShimError(.invalidArgument, "AppArmor profile type \(kind) is unknown")
        }
        if let seLinux, context.seLinux {
            for (key, value) in [
                ("user", seLinux.user), ("role", seLinux.role), ("type", seLinux.type), ("level", seLinux.level),
            ] where !value.isEmpty {
                options.append("label=\(key):\(value)")
            }
        }
        if noNewPrivileges { options.append("no-new-privileges:true") }
        return options
    }

    /// Docker's `User`; empty is the image's.
    static func user(name: String, uid: Int64?, gid: Int64?) throws -> String {
        let user = uid.map(String.init) ?? name
        guard let gid else { return user }
        guard !user.isEmpty else {
            throw ShimError(.invalidArgument, "run_as_group \(gid) was given without run_as_user or run_as_username")
        }
        return "\(user):\(gid)"
    }

    static func capabilities(_ names: [String]) -> [String] {
        names.map { $0.uppercased().hasPrefix("CAP_") ? String($0.dropFirst(4)).uppercased() : $0.uppercased() }
    }

    static func appArmor(_ context: CRI.LinuxContainerSecurityContext) -> SecurityProfileRecord? {
        SecurityProfileRecord(context.apparmor, deprecatedPath: context.apparmorProfile)
    }
}
