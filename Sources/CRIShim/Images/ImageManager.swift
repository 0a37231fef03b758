import Proto

/// The images a node has, whoever keeps them.
protocol ImageManager: Sendable {
    /// All images, or the one the filter names.
    func list(_ filter: CRI.ImageFilter?) async throws -> [CRI.Image]
    /// nil when it is not here. `details` is filled for verbose requests.
    func status(_ image: CRI.ImageSpec, verbose: Bool) async throws -> (image: CRI.Image, details: [String: String])?
    /// Brings the image here.
    /// - Returns: its id, as ``list(_:)`` has it.
    func pull(_ image: CRI.ImageSpec, auth: CRI.AuthConfig?) async throws -> String
    /// Removes the image with all its names. Absent: nothing to do.
    func remove(_ image: CRI.ImageSpec) async throws
    /// Answered from memory where possible: every client asks this when it connects.
    func fileSystems() async throws -> [CRI.FilesystemUsage]
}
