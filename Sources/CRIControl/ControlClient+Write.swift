import Proto

/// What changes something. Ids are full ids: see `containerID(_:)` and `podID(_:)`.
extension ControlClient {
    /// - Returns: the reference of the pulled image, by which containers can be made from it.
    public func pull(_ image: String) async throws -> String {
        let request = CRI.PullImageRequest { request in
            request.image = .init {
                $0.image = image
                $0.userSpecifiedImage = image
            }
        }
        return try await call(CRI.ImageService.pullImage, request, timeout: longTimeout).imageRef
    }

    /// Succeeds when there is no such image.
    public func removeImage(_ image: String) async throws {
        _ = try await call(CRI.ImageService.removeImage, .init { $0.image = .init { $0.image = image } })
    }

    /// - Parameter grace: seconds between the stop signal and the kill.
    public func stopContainer(_ id: String, grace: Int64) async throws {
        _ = try await call(
            CRI.RuntimeService.stopContainer,
            .init {
                $0.containerId = id
                $0.timeout = grace
            }, timeout: .seconds(grace) + max(timeout, .seconds(30)))
    }

    public func removeContainer(_ id: String) async throws {
        _ = try await call(CRI.RuntimeService.removeContainer, .init { $0.containerId = id })
    }

    /// Stops every container of the pod, and the sandbox.
    public func stopPod(_ id: String) async throws {
        _ = try await call(
            CRI.RuntimeService.stopPodSandbox, .init { $0.podSandboxId = id }, timeout: max(timeout, .seconds(120)))
    }

    public func removePod(_ id: String) async throws {
        _ = try await call(
            CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = id }, timeout: max(timeout, .seconds(120)))
    }
}
