import Proto
import RPC

/// The images a runtime has. Fails as ``Provider`` does.
protocol ImageStore: Sendable {
    func images() async throws -> [CRI.Image]
    /// Ids and names of the images all containers have, whosoever they are, running or not.
    func imagesInUse() async throws -> Set<String>
    /// Safe to repeat, and for one that is gone.
    func removeImage(_ id: String) async throws
}

extension CRIProvider: ImageStore {
    func images() async throws -> [CRI.Image] {
        try await call(CRI.ImageService.listImages, .init(), "list images").images
    }

    func imagesInUse() async throws -> Set<String> {
        let containers = try await call(CRI.RuntimeService.listContainers, .init(), "list containers").containers
        return Set(containers.flatMap { [$0.imageRef, $0.imageId, $0.image?.image ?? ""] }.filter { !$0.isEmpty })
    }

    func removeImage(_ id: String) async throws {
        _ = try await unlessGone {
            try await call(
                CRI.ImageService.removeImage, .init { $0.image = CRI.ImageSpec { $0.image = id } },
                "remove image \(id)",
                timeouts.create)
        }
    }
}
