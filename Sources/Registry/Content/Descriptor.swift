/// What a manifest says about one of its parts (OCI image specification, "descriptor").
public struct Descriptor: Codable, Sendable, Hashable {
    public var mediaType: String
    /// `sha256:…`
    public var digest: String
    /// In bytes.
    public var size: Int64
    public var annotations: [String: String]?
    public var artifactType: String?
    /// Of an index's entries.
    public var platform: Platform?
    /// The content itself, in base64, where it is small.
    public var data: String?

    public init(
        mediaType: String, digest: String, size: Int64, annotations: [String: String]? = nil,
        artifactType: String? = nil, platform: Platform? = nil, data: String? = nil
    ) {
        self.mediaType = mediaType
        self.digest = digest
        self.size = size
        self.annotations = annotations
        self.artifactType = artifactType
        self.platform = platform
        self.data = data
    }
}

/// What an image runs on, as OCI names it.
public struct Platform: Codable, Sendable, Hashable {
    /// `linux`, `darwin`, …
    public var os: String
    /// `amd64`, `arm64`, …
    public var architecture: String
    public var variant: String?

    public init(os: String, architecture: String, variant: String? = nil) {
        self.os = os
        self.architecture = architecture
        self.variant = variant
    }

    /// This machine's processor.
    public static var hostArchitecture: String {
        #if arch(arm64)
        "arm64"
        #else
        "amd64"
        #endif
    }
}
