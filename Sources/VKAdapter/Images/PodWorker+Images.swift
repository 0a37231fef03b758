import KubeAPI
import Logging
import Proto

extension PodWorker {
    /// The image of a container, pulled as its policy says (kubelet `EnsureImageExists`).
    func image(
        of container: Container, handler: String, sandbox: CRI.PodSandboxConfig
    ) async throws -> (String, ImageUser) {
        let provider = context.provider
        let image = container.image
        if let cause = ImageName.problem(image) {
            throw StartFailure(
                .invalidImageName(image: image, cause: cause), AdapterError(.invalidArgument, "\"\(image)\": \(cause)"))
        }
        let spec = CRI.ImageSpec {
            $0.image = image
            $0.userSpecifiedImage = image
            $0.runtimeHandler = handler
        }
        var present: CRI.Image?
        do {
            present = try await provider.image(spec)
        } catch {
            throw StartFailure(.imageInspectError(image: image, cause: "\(error)"), error)
        }
        if container.imagePullPolicy == .always {
            present = nil
        } else if let image = present, try await mustShow(spec.image, id: image.id) {
            // As if it were not here: that it is here is not for everybody to know.
            present = nil
        }
        if present == nil {
            if container.imagePullPolicy == .never {
                throw StartFailure(
                    .errImageNeverPull(image: image), AdapterError(.failed, "the image \(image) is not present"))
            }
            present = try await pull(spec, for: container, sandbox: sandbox)
        } else {
            tell(
                .normal, "Pulled",
                "Container image \"\(image)\" already present on machine and can be accessed by the pod",
                container: container.name)
        }
        let user = ImageUser(uid: present?.uid?.value, username: present?.username ?? "")
        return (present?.id ?? image, user)
    }

    private func pull(
        _ spec: CRI.ImageSpec, for container: Container, sandbox: CRI.PodSandboxConfig
    ) async throws -> CRI.Image {
        let image = spec.image
        let name = container.name
        let start = ContinuousClock.now
        do {
            let keys = try await keyRing()
            tell(.normal, "Pulling", "Pulling image \"\(image)\"", container: name)
            logger.info("pulling image \(image)", metadata: ["container": "\(name)"])
            let (present, pulling) = try await tellingProgress(of: spec, for: name) { [context] in
                try await context.images.pull(
                    spec, with: keys.credentials(for: image), sandbox: sandbox, by: context.provider)
            }
            backoff.pulled(image)
            let whole = ContinuousClock.now - start
            tell(
                .normal, "Pulled",
                "Successfully pulled image \"\(image)\" in \(GoDuration.text(pulling)) "
                    + "(\(GoDuration.text(whole)) including waiting). Image size: \(present.size) bytes.",
                container: name)
            logger.info("pulled image \(image) in \(GoDuration.text(whole))")
            return present
        } catch {
            if error is CancellationError { throw error }
            let cause = (error as? AdapterError)?.cause.map { "\($0)" } ?? "\(error)"
            throw StartFailure(.errImagePull(cause), error, pull: (image, cause))
        }
    }

    /// Whether the registry has to see the pod's secrets before it may use an image that is here.
    private func mustShow(_ image: String, id: String) async throws -> Bool {
        try await context.images.records?.mustPull(image, id: id) {
            try await self.keyRing().credentials(for: image).map(\.use)
        } ?? false
    }

    /// Says now and then how far a long pull is, where the runtime tells.
    private func tellingProgress<R: Sendable>(
        of spec: CRI.ImageSpec, for container: String, _ pull: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        try await withThrowingTaskGroup(of: R?.self) { group in
            group.addTask { try await pull() }
            group.addTask { [context] in
                var last: PullProgress?
                while true {
                    do { try await Task.sleep(for: context.progressInterval) } catch { return nil }
                    do {
                        let progress = try await context.provider.pullProgress(of: spec.image)
                        guard let progress, progress.done != last?.done else { continue }
                        last = progress
                        await self.tell(
                            .normal, "PullProgress", "Pulling image \"\(spec.image)\": \(progress.text)",
                            container: container)
                    } catch {
                        if Task.isCancelled { return nil }
                        await self.logger.debug("\(error)")
                    }
                }
            }
            defer { group.cancelAll() }
            while let result = try await group.next() {
                if let result { return result }
            }
            throw CancellationError()
        }
    }

    /// The credentials the pod's secrets give. One that cannot be had is told of, and the pull tried without it.
    private func keyRing() async throws -> RegistryKeyRing {
        guard let source = context.images.secrets else { return RegistryKeyRing() }
        var ring = RegistryKeyRing()
        var missing: [String] = []
        for name in pod.spec.imagePullSecrets.map(\.name) where !name.isEmpty {
            do {
                guard let secret = try await source.secret(name, of: pod) else {
                    missing.append(name)
                    continue
                }
                try ring.add(secret)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                missing.append(name)
                logger.warning("the image pull secret \(name) cannot be used: \(error)")
            }
        }
        if !missing.isEmpty {
            tell(
                .warning, "FailedToRetrieveImagePullSecret",
                "Unable to retrieve some image pull secrets (\(missing.joined(separator: ", "))); "
                    + "attempting to pull the image may not succeed.")
        }
        return ring
    }
}
