import Proto
import Registry

/// What an image's manifest says it is.
protocol ManifestClassifier: Sendable {
    /// - Returns: nil when the registry cannot be asked: the one who pulls will say why.
    func classify(_ image: ImageReference, auth: CRI.AuthConfig?) async throws -> RuntimeChoice.Kind?
}

/// Decides what runs an image. The first rule that knows counts: the store of VM images, Docker's, the configured patterns,
/// the manifest; an image that nobody knows is Docker's, whose error is shown. An image for machines is never given to
/// Docker.
struct RuntimeChoice: Sendable {
    /// Also the runtime handlers' names.
    enum Kind: String, Sendable, CaseIterable { case docker, vm }

    struct Decision: Sendable, Equatable {
        var kind: Kind
        /// Which rule decided, in words.
        var reason: String
        /// The image's id where it is here.
        var id: String?
    }

    /// The annotation of a pod that names its machines.
    static let annotation = "vz.kubelet.io/vm-containers"

    /// The id of a VM image that is here, by its id or name.
    var vmImage: @Sendable (String) async throws -> String?
    /// The same of Docker's; nil also while the engine cannot be asked.
    var dockerImage: @Sendable (String) async throws -> String?
    /// Whether it is not an image's name but the path of a machine that was saved.
    var isCheckpoint: @Sendable (String) async throws -> Bool = { _ in false }
    /// The setting `vmImages`.
    var patterns: [ImagePattern] = []
    /// nil: nobody asks registries.
    var manifests: (any ManifestClassifier)?

    /// - Parameter handler: of the sandbox. `docker` has no machines; `vm` and the empty one have both.
    /// - Throws: `invalidArgument` for a machine in a sandbox of the handler `docker`.
    func decide(image: String, handler: String = "", auth: CRI.AuthConfig? = nil) async throws -> Decision {
        let decision = try await byImage(image, auth: auth)
        guard handler == Kind.docker.rawValue, decision.kind == .vm else { return decision }
        throw ShimError(
            .invalidArgument,
            "image \(image) is a machine's (\(decision.reason)), and the pod's runtime handler \"docker\" runs none: use "
                + "the handler \"vm\" or none")
    }

    /// What runs a container of a pod, checked against what the pod itself says.
    /// - Throws: `invalidArgument` also when the pod's annotation says otherwise.
    func decide(
        container: String, image: String, handler: String, annotations: [String: String], auth: CRI.AuthConfig? = nil
    ) async throws -> Decision {
        let decision = try await decide(image: image, handler: handler, auth: auth)
        guard let said = annotations[Self.annotation] else { return decision }
        let machines = said.split(separator: ",").map { $0.filter { $0 != " " } }
        let isMachine = machines.contains { $0 == container }
        guard isMachine != (decision.kind == .vm) else { return decision }
        throw ShimError(
            .invalidArgument,
            isMachine
                ? "the pod says that container \(container) is a machine (\(Self.annotation)), and its image \(image) is "
                    + "Docker's (\(decision.reason)): import it as a VM image, or name it in vmImages of the configuration"
                : "image \(image) of container \(container) is a machine's (\(decision.reason)), and the pod's annotation "
                    + "\(Self.annotation) \"\(said)\" does not name that container")
    }

    private func byImage(_ image: String, auth: CRI.AuthConfig?) async throws -> Decision {
        if try await isCheckpoint(image) {
            return Decision(kind: .vm, reason: "it is the path of a virtual machine's checkpoint")
        }
        if let id = try await vmImage(image) {
            return Decision(kind: .vm, reason: "it is among the VM images here", id: id)
        }
        if let id = try await dockerImage(image) {
            return Decision(kind: .docker, reason: "it is among Docker's images here", id: id)
        }
        guard !ImageReference.isID(image) else {
            return Decision(kind: .docker, reason: "no image here has that id")
        }
        if let pattern = patterns.first(where: { $0.matches(image) }) {
            return Decision(kind: .vm, reason: "the pattern \(pattern) of vmImages fits")
        }
        if let manifests, let reference = try? ImageReference(parsing: image),
            let kind = try await manifests.classify(reference, auth: auth)
        {
            return Decision(kind: kind, reason: "its manifest says so")
        }
        return Decision(kind: .docker, reason: "nothing says that it is a machine's")
    }
}
