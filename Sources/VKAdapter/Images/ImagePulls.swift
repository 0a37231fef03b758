import KubeAPI
import Proto

/// Where the secrets of images are had.
protocol PullSecrets: Sendable {
    /// - Returns: `nil` when it is not there.
    func secret(_ name: String, of pod: Pod) async throws -> Secret?
}

/// Those of an API server: one by one, as a node may.
struct ClusterPullSecrets: PullSecrets {
    let client: KubeClient

    func secret(_ name: String, of pod: Pod) async throws -> Secret? {
        do {
            return try await client.get(.secrets, namespace: pod.metadata.namespace, name: name)
        } catch let error as KubeAPIError where error.isNotFound {
            return nil
        }
    }
}

/// Pulls images, so many at once, each with what the registry may want to see.
final class ImagePulls: Sendable {
    /// `nil` without a cluster.
    let secrets: (any PullSecrets)?
    /// `nil` where nobody is asked for anything.
    let records: PullRecords?
    private let turns: Turns
    private let (pulled, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))

    /// - Parameter atOnce: 0 is no limit.
    init(secrets: (any PullSecrets)? = nil, records: PullRecords? = nil, atOnce: Int = 0) {
        self.secrets = secrets
        self.records = records
        turns = Turns(atOnce)
    }

    /// Says whenever an image was pulled. For one listener.
    var changes: AsyncStream<Void> { pulled }

    /// - Parameter logins: tried one after the other; none is a pull without.
    /// - Returns: the image as the runtime knows it, and how long it took without the wait for a turn.
    func pull(
        _ spec: CRI.ImageSpec, with logins: [RegistryKeyRing.Login], sandbox: CRI.PodSandboxConfig,
        by provider: any Provider
    ) async throws -> (image: CRI.Image, time: Duration) {
        try await turns.take()
        defer { turns.give() }
        try await records?.begin(spec.image)
        let start = ContinuousClock.now
        do {
            let (ref, login) = try await pulled(spec, with: logins, sandbox: sandbox, by: provider)
            let time = ContinuousClock.now - start
            let image = try await provider.image(spec) ?? CRI.Image { $0.id = ref }
            await records?.finished(spec.image, id: image.id, with: login?.use)
            return (image, time)
        } catch {
            let isCertain = !(error is CancellationError) && (error as? AdapterError)?.code != .unavailable
            await records?.failed(spec.image, isCertain: isCertain)
            throw error
        }
    }

    private func pulled(
        _ spec: CRI.ImageSpec, with logins: [RegistryKeyRing.Login], sandbox: CRI.PodSandboxConfig,
        by provider: any Provider
    ) async throws -> (ref: String, login: RegistryKeyRing.Login?) {
        var failures: [any Error] = []
        for login in logins.isEmpty ? [nil] : logins.map(Optional.some) {
            do {
                let ref = try await provider.pull(spec, auth: login.map(\.auth), sandbox: sandbox)
                signal.yield()
                return (ref, login)
            } catch {
                if Task.isCancelled { throw CancellationError() }
                failures.append(error)
                // The runtime is away: another login changes nothing.
                if (error as? AdapterError)?.code == .unavailable { break }
            }
        }
        guard failures.count > 1 else { throw failures[0] }
        let all = failures.map { error in (error as? AdapterError)?.cause.map { "\($0)" } ?? "\(error)" }
        throw AdapterError(
            .failed, "cannot pull image \(spec.image) with any of \(failures.count) credentials",
            cause: AdapterError(.failed, "[\(all.joined(separator: ", "))]"))
    }
}

extension RegistryKeyRing.Login {
    fileprivate var auth: CRI.AuthConfig {
        CRI.AuthConfig {
            $0.username = username
            $0.password = password
            $0.identityToken = identityToken
            $0.registryToken = registryToken
        }
    }
}
