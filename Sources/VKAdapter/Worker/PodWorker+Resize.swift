import KubeAPI
import Logging
import Proto

extension PodWorker {
    /// Takes up what the pod asks for, where the node has it.
    func considerResize() {
        guard !isRemoving, failure == nil else { return }
        let (uid, store) = (uid, context.store)
        resizes.consider(
            pod, context.admission,
            beside: store.all.filter { $0.metadata.uid != uid && !$0.isOver })
    }

    /// What the pod's condition says while containers are given other resources.
    var resizeInProgress: WaitingReason? {
        guard pod.spec.allContainers.contains(where: { resizes.needsRestart($0) != nil }) else { return nil }
        return resizes.trouble.map { WaitingReason("Error", $0) } ?? WaitingReason("")
    }

    /// Gives a running container what it has been granted.
    func resize(_ id: String, _ name: String) async throws {
        guard let container = container(name) else { return }
        do {
            try await context.provider.updateResources(
                id, PodMapping.containerResources(resizes.granted(pod), container, context.mapping))
            resizes.applied(name, container.resources)
            logger.info("changed the resources of container \(name)")
        } catch let error as AdapterError where [.unimplemented, .invalidArgument].contains(error.code) {
            logger.warning("\(error)")
            resizes.refuse(name, container.resources)
            considerResize()
        } catch {
            resizes.failed("\(error)")
            throw error
        }
    }
}
