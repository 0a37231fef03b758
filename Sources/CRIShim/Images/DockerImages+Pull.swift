import Docker
import FoundationEssentials
import Logging
import Proto
import Registry
import Synchronization

extension DockerImages {
    func pull(_ image: CRI.ImageSpec, auth: CRI.AuthConfig?) async throws -> String {
        try runtime.requireEngine()
        if ImageReference.isID(image.image) {
            guard let found = try await client.inspectImageIfPresent(image.image) else {
                throw ShimError(
                    .notFound, "image \(image.image) is not here, and nothing can be pulled by an id: use a name")
            }
            return found.id
        }
        let reference = try ImageReference(parsing: image.image)
        let credentials = try auth.flatMap { try Self.credentials($0, registry: reference.registry) }
        try await pulls.showing(image.image) { try await pull(image.image, reference, credentials, shownAs: $0) }
        guard let found = try await client.inspectImageIfPresent(image.image) else {
            throw ShimError(.failed, "image \(image.image) was pulled, yet the engine does not know it")
        }
        return found.id
    }

    private func pull(_ image: String, _ reference: ImageReference, _ credentials: RegistryAuth?, shownAs id: Int)
        async throws
    {
        let watch = StallWatch(limit: Self.stallLimit)
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask { [client, pulls] in
                let progress = try await client.pullImage(
                    // Without a tag the engine would pull them all.
                    reference.name, tag: reference.digest ?? reference.tag ?? "latest", auth: credentials)
                for try await message in progress {
                    watch.progressed()
                    guard message.status == "Downloading", let part = message.id, let detail = message.progressDetail
                    else { continue }
                    pulls.note(
                        id, part: part, done: UInt64(clamping: detail.current ?? 0),
                        total: UInt64(clamping: detail.total ?? 0))
                }
                return true
            }
            group.addTask {
                try await watch.stalled()
                return false
            }
            defer { group.cancelAll() }
            do {
                if try await group.next() == true { return }
            } catch let error as DockerError {
                throw Self.explained(error, image, hasCredentials: credentials != nil)
            }
            throw ShimError(
                .unavailable,
                "pulling \(image) made no progress for \(Self.stallLimit.components.seconds) s: check the registry"
            )
        }
    }

    /// The engine answers most failures of a pull with one code; the text tells them apart.
    private static func explained(_ error: DockerError, _ image: String, hasCredentials: Bool) -> any Error {
        if error.code == .unavailable { return error }
        let text = error.message.lowercased()
        func has(_ parts: String...) -> Bool { parts.contains(where: text.contains) }
        if has("unauthorized", "denied", "no basic auth", "authentication required") {
            let advice = hasCredentials ? "the credentials were refused" : "it may need credentials (imagePullSecrets)"
            return ShimError(.denied, "pulling \(image) failed: \(advice), or it does not exist", cause: error)
        }
        if has("not found", "manifest unknown", "does not exist", "no matching manifest", "no such image")
            || error.code == .notFound
        {
            return ShimError(.notFound, "pulling \(image) failed: the registry does not have it", cause: error)
        }
        if has("no such host", "connection refused", "timeout", "unreachable", "deadline exceeded", "tls", "eof") {
            // The kubelet knows this word.
            return ShimError(.unavailable, "RegistryUnavailable: pulling \(image) failed", cause: error)
        }
        return ShimError(.failed, "pulling \(image) failed", cause: error)
    }

    /// The forms a CRI client may give credentials in; nil for an empty config.
    static func credentials(_ auth: CRI.AuthConfig, registry: String) throws -> RegistryAuth? {
        var credentials = RegistryAuth()
        credentials.serverAddress = auth.serverAddress.isEmpty ? registry : auth.serverAddress
        if !auth.registryToken.isEmpty {
            credentials.registryToken = auth.registryToken
        } else if !auth.identityToken.isEmpty {
            credentials.identityToken = auth.identityToken
        } else if !auth.username.isEmpty {
            credentials.username = auth.username
            credentials.password = auth.password
        } else if !auth.auth.isEmpty {
            guard let data = Data(base64Encoded: auth.auth), let text = String(validating: data, as: UTF8.self),
                let colon = text.firstIndex(of: ":")
            else {
                throw ShimError(.invalidArgument, "the auth field of the credentials is not base64 of NAME:PASSWORD")
            }
            credentials.username = String(text[..<colon])
            credentials.password = String(text[text.index(after: colon)...].filter { $0 != "\0" })
        } else {
            return nil
        }
        return credentials
    }
}

/// Ends a wait when nothing was reported for too long.
final class StallWatch: Sendable {
    private let last = Mutex(ContinuousClock.now)
    private let limit: Duration

    init(limit: Duration) { self.limit = limit }

    func progressed() { last.withLock { $0 = ContinuousClock.now } }

    /// Returns when there was no progress for the limit; throws when cancelled.
    func stalled() async throws {
        while true {
            let left = limit - (ContinuousClock.now - last.withLock { $0 })
            if left <= .zero { return }
            try await Task.sleep(for: left)
        }
    }
}
