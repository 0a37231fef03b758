import KubeAPI

extension Pod {
    private static let profileAnnotation = "container.apparmor.security.beta.kubernetes.io/"

    /// Whether an AppArmor profile is asked for; to be unconfined is none.
    var wantsAppArmor: Bool {
        let profiles =
            [spec.securityContext?.appArmorProfile] + spec.allContainers.map { $0.securityContext?.appArmorProfile }
        return profiles.contains { $0.map { $0.type != "Unconfined" } ?? false }
            || metadata.annotations.contains { $0.key.hasPrefix(Self.profileAnnotation) && $0.value != "unconfined" }
    }
}
