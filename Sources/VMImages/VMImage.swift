/// How a guest is entered, as its image says: never a secret.
public struct VMImageLogin: Codable, Sendable, Hashable {
    public var user: String
    /// A private key on the host, absolute; nil leaves it to the configuration.
    public var keyFile: String?

    public init(user: String, keyFile: String? = nil) {
        self.user = user
        self.keyFile = keyFile
    }
}

/// An image of a virtual machine as the store knows it.
public struct VMImage: Sendable, Hashable {
    /// `sha256:` and the digest of its manifest: the same wherever the image is.
    public var id: String
    /// With their tags, as Docker would show them; none for an image that is only kept because it is used.
    public var names: [String]
    /// `NAME@sha256:…` for each name without its tag.
    public var digests: [String]
    public var config: VMImageConfig
    /// What its files take on disk, in bytes. Files that several images share count for each.
    public var size: Int64
    /// Nanoseconds since 1970.
    public var importedAt: Int64
    /// Whether it came from a registry: who may have it, that registry says.
    public var wasPulled = false
    /// Whether somebody pinned it: it goes only when it is removed by name or id.
    public var isPinned = false
    /// Whether all of it is here; false while its disks are fetched and machines run from them all the same.
    public var isWhole = true
}

/// What an image says about its guest: the config blob of its manifest, media type ``mediaType``.
public struct VMImageConfig: Codable, Sendable, Hashable {
    public static let mediaType = "application/vnd.vzcri.vm.config.v1+json"
    /// The newest layout this program writes and reads; a newer one is refused.
    public static let schema = 1

    public enum GuestOS: String, Codable, Sendable, CaseIterable { case linux, macos }

    /// How the guest is started. Texts are digests of the image's blobs.
    public enum Boot: Codable, Sendable, Hashable {
        /// Straight into a kernel.
        case kernel(digest: String, initrd: String?, commandLine: String)
        /// By firmware, from the first disk. `variables` is the file of its non-volatile store.
        case efi(variables: String?)
        /// A Mac, from the first disk, with the non-volatile store that belongs to it.
        case mac(hardwareModel: String, auxiliaryStorage: String)
    }

    public struct Disk: Codable, Sendable, Hashable {
        public enum Format: String, Codable, Sendable { case raw, qcow2 }
        /// Of its ``DiskIndex``.
        public var digest: String
        public var format: Format
        /// Of the file, holes included.
        public var size: Int64
        /// What the guest sees.
        public var capacity: Int64
    }

    public var schema = Self.schema
    public var os: GuestOS
    /// As OCI names it: `amd64`, `arm64`.
    public var architecture: String
    /// nil leaves it to the runtime.
    public var cpus: Int?
    public var memoryBytes: Int64?
    public var boot: Boot
    /// The first is the one the guest starts from.
    public var disks: [Disk]
    public var login: VMImageLogin?

    public init(os: GuestOS, architecture: String, boot: Boot, disks: [Disk] = []) {
        self.os = os
        self.architecture = architecture
        self.boot = boot
        self.disks = disks
    }
}

/// Where the files of an image are. They are never written to: a machine gets a clone.
public struct VMImageFiles: Sendable, Hashable {
    public struct Disk: Sendable, Hashable {
        /// Absolute.
        public var path: String
        public var format: VMImageConfig.Disk.Format
        /// What the guest sees, in bytes.
        public var capacity: Int64
    }

    public enum Boot: Sendable, Hashable {
        /// Absolute paths.
        case kernel(path: String, initrd: String?, commandLine: String)
        case efi(variables: String?)
        case mac(hardwareModel: String, auxiliaryStorage: String)
    }

    public var boot: Boot
    public var disks: [Disk]
}
