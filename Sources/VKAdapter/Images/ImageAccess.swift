import KubeAPI

/// What was shown to a registry, without what is secret of it.
struct PullSecretUse: KubeModel {
    var uid = ""
    var namespace = ""
    var name = ""
    /// SHA-256 of the login it holds for the image.
    var credentialHash = ""
    var unknownFields: [Member] = []

    static let fields = Fields<Self> {
        $0("uid", \.uid, always: true)
        $0("namespace", \.namespace, always: true)
        $0("name", \.name, always: true)
        $0("credentialHash", \.credentialHash, always: true)
    }

    /// Whether it is the same object, whatever it holds by now.
    func isSameSecret(as other: PullSecretUse) -> Bool {
        uid == other.uid && namespace == other.namespace && name == other.name
    }
}

/// Who may use an image that is here without the registry being asked again (KEP-2535).
struct ImageAccess: KubeModel {
    /// It was pulled without any pod's secret.
    var nodePodsAccessible = false
    var kubernetesSecrets: [PullSecretUse] = []
    var unknownFields: [Member] = []

    static let fields = Fields<Self> {
        $0("nodePodsAccessible", \.nodePodsAccessible)
        $0("kubernetesSecrets", \.kubernetesSecrets)
    }

    /// How many secrets are kept for one name of an image; the oldest goes.
    private static let limit = 100

    /// The registry accepted this; `nil` is that it asked for nothing.
    mutating func accepted(_ use: PullSecretUse?) {
        guard !nodePodsAccessible else { return }
        guard let use else {
            nodePodsAccessible = true
            kubernetesSecrets = []
            return
        }
        kubernetesSecrets.removeAll { $0.isSameSecret(as: use) }
        kubernetesSecrets.append(use)
        if kubernetesSecrets.count > Self.limit { kubernetesSecrets.removeFirst() }
    }

    /// Which of a pod's secrets opens the image: one that did before, though it may hold something else now, or one that
    /// holds the same as one that did.
    func match(_ uses: [PullSecretUse]) -> PullSecretUse? {
        uses.first { use in
            kubernetesSecrets.contains { known in
                known.isSameSecret(as: use) || !use.credentialHash.isEmpty && known.credentialHash == use.credentialHash
            }
        }
    }
}

/// What is known of an image this adapter has pulled.
struct PulledImage: KubeModel {
    var imageRef = ""
    var lastUpdatedTime = Timestamp(seconds: 0)
    /// By the image's name without tag and digest.
    var credentialMapping: [String: ImageAccess] = [:]
    var unknownFields: [Member] = []

    static let fields = Fields<Self> {
        $0("imageRef", \.imageRef, always: true)
        $0("lastUpdatedTime", \.lastUpdatedTime, always: true)
        $0("credentialMapping", \.credentialMapping)
    }
}

/// Of which images that are here a pod must show that it may have them (`imagePullCredentialsVerificationPolicy`).
struct ImageAccessPolicy: Sendable {
    enum Kind: String, Sendable, CaseIterable {
        case neverVerify = "NeverVerify"
        /// Those that somebody else brought to this node are everybody's.
        case neverVerifyPreloadedImages = "NeverVerifyPreloadedImages"
        case neverVerifyAllowlistedImages = "NeverVerifyAllowlistedImages"
        case alwaysVerify = "AlwaysVerify"
    }

    var kind = Kind.neverVerifyPreloadedImages
    /// Names without tag and digest; one that ends in `/*` stands for all below it.
    var allowed: [String] = []

    func asks(for repository: String, isOurs: Bool) -> Bool {
        switch kind {
        case .neverVerify: false
        case .alwaysVerify: true
        case .neverVerifyPreloadedImages: isOurs
        case .neverVerifyAllowlistedImages:
            !allowed.contains { pattern in
                pattern.hasSuffix("/*") ? repository.hasPrefix(pattern.dropLast()) : repository == pattern
            }
        }
    }
}
