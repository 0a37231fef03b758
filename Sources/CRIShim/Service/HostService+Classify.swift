import Proto
import RPC

/// Tells before a sandbox is made what would run an image: the adapter picks the pod's handler by it.
struct ImageClassifier: Sendable {
    let choice: RuntimeChoice

    func classify(_ request: HostAPI.ClassifyImageRequest) async throws -> HostAPI.ClassifyImageResponse {
        guard !request.image.isEmpty else { throw ShimError(.invalidArgument, "the request names no image") }
        let decision = try await choice.decide(image: request.image, auth: request.auth?.cri)
        return .init {
            $0.runtime = decision.kind == .vm ? .runtimeVm : .runtimeDocker
            $0.reason = decision.reason
            $0.digest = decision.id ?? ""
        }
    }
}

extension HostAPI.ImageCredentials {
    fileprivate var cri: CRI.AuthConfig {
        .init {
            $0.username = username
            $0.password = password
            $0.auth = auth
            $0.serverAddress = serverAddress
            $0.identityToken = identityToken
            $0.registryToken = registryToken
        }
    }
}
