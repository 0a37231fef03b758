import VMImages
import VZEngine

/// A user and what proves it; what is absent is left to others.
public struct GuestLogin: Sendable, Hashable {
    public var user: String?
    /// A private key (ed25519 or ecdsa) on this host.
    public var keyFile: String?
    /// A file with a password.
    public var passwordFile: String?
    /// A file with the key's passphrase.
    public var passphraseFile: String?
    /// The key itself, its passphrase, and the password: put into files of their own before anything uses them.
    public var key: [UInt8]?
    public var passphrase: String?
    public var password: String?

    public init(
        user: String? = nil, keyFile: String? = nil, passwordFile: String? = nil, passphraseFile: String? = nil
    ) {
        self.user = user
        self.keyFile = keyFile
        self.passwordFile = passwordFile
        self.passphraseFile = passphraseFile
    }
}

/// How to log in to some guests, as configured.
public struct GuestProfile: Sendable, Hashable {
    /// What a pod's annotation `vzcri.dev/guest-credentials` calls it.
    public var name: String?
    /// The images it is for; nil: only where a pod asks for it by name.
    public var match: ImagePattern?
    public var login: GuestLogin

    public init(name: String?, match: ImagePattern?, login: GuestLogin) {
        self.name = name
        self.match = match
        self.login = login
    }
}

/// Decides how the supervisor logs in to a guest.
struct GuestCredentials: Sendable {
    static let annotation = "vzcri.dev/guest-credentials"

    /// In the order of the configuration.
    var profiles: [GuestProfile]
    /// What `VZ_SSH_*` say.
    var environment: GuestLogin

    /// The profile that the pod asks for, else the first that fits one of the image's names, else the image's own user,
    /// else the environment's. A user without key and password gets the environment's.
    ///
    /// - Parameters:
    ///   - names: the image's, the one the container was asked for with first.
    ///   - image: what the image itself says.
    ///   - profile: of the pod's annotation.
    /// - Returns: nil when nobody says how.
    /// - Throws: `invalidArgument` for a profile that is not configured.
    func resolve(names: [String], image: VMImageLogin?, profile: String?) throws -> MachineConfig.Credentials? {
        if let profile {
            guard let found = profiles.first(where: { $0.name == profile }) else {
                let known = profiles.compactMap(\.name).joined(separator: ", ")
                throw ShimError(
                    .invalidArgument,
                    "annotation \(Self.annotation): there is no entry \"\(profile)\" in guests: of the configuration"
                        + (known.isEmpty ? "" : "; there are \(known)"))
            }
            return credentials(found.login)
        }
        if let found = profiles.first(where: { profile in
            profile.match.map { match in names.contains { match.matches($0) } } ?? false
        }) {
            return credentials(found.login)
        }
        if let image { return credentials(GuestLogin(user: image.user, keyFile: image.keyFile)) }
        return credentials(environment)
    }

    private func credentials(_ login: GuestLogin) -> MachineConfig.Credentials? {
        guard let user = login.user, !user.isEmpty else { return nil }
        let isComplete = login.keyFile != nil || login.passwordFile != nil
        let proof = isComplete ? login : environment
        var credentials = MachineConfig.Credentials(
            user: user, keyFile: proof.keyFile, passwordFile: proof.passwordFile)
        credentials.passphraseFile = proof.passphraseFile
        return credentials
    }
}
