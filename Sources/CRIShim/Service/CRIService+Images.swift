import Logging
import Proto
import RPC

extension CRIService {
    func registerImages(in router: inout Router) {
        work(CRI.ImageService.listImages, in: &router) { request, _ in
            let all = try await images.list(request.filter)
            return .init { $0.images = all }
        }
        work(CRI.ImageService.imageStatus, in: &router) { request, _ in
            let found = try await images.status(try Self.named(request.image), verbose: request.verbose)
            return .init {
                $0.image = found?.image
                $0.info = found?.details ?? [:]
            }
        }
        work(CRI.ImageService.pullImage, in: &router) { request, _ in
            var image = try Self.named(request.image)
            // Not every client says them of the image.
            image.annotations.merge(request.sandboxConfig?.annotations ?? [:]) { own, _ in own }
            logger.info("pulling image", metadata: ["image": "\(image.image)"])
            let id = try await images.pull(image, auth: request.auth)
            logger.info("image pulled", metadata: ["image": "\(image.image)", "id": "\(id)"])
            return .init { $0.imageRef = id }
        }
        work(CRI.ImageService.removeImage, in: &router) { request, _ in
            let image = try Self.named(request.image)
            try await images.remove(image)
            logger.info("image removed", metadata: ["image": "\(image.image)"])
            return .init()
        }
        work(CRI.ImageService.imageFsInfo, in: &router) { _, _ in
            let systems = try await images.fileSystems()
            return .init {
                $0.imageFilesystems = systems
                $0.containerFilesystems = systems
            }
        }
    }

    private static func named(_ image: CRI.ImageSpec?) throws -> CRI.ImageSpec {
        guard let image, !image.image.isEmpty else {
            throw ShimError(.invalidArgument, "the request names no image")
        }
        return image
    }
}
