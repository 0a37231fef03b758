import KubeAPI
import Logging
import Proto
import RPC

extension PodWorker {
    /// Makes the sandbox; a pod with virtual machines waits for its turn first, and then for its places.
    func runSandbox(_ config: CRI.PodSandboxConfig, _ plan: RuntimePlan) async throws -> String {
        guard plan.slots > 0 else { return try await context.provider.runSandbox(config, handler: plan.handler) }
        let ahead = context.slots.enter(uid) { [self] in turn() }
        guard ahead == 0 else { throw SlotWait(slots: plan.slots, ahead: ahead) }
        do {
            let id = try await context.provider.runSandbox(config, handler: plan.handler)
            context.slots.leave(uid)
            return id
        } catch let error as AdapterError where error.code == .exhausted {
            throw SlotWait(slots: plan.slots, ahead: 0, cause: (error.cause as? RPCError)?.message ?? "\(error)")
        } catch {
            // Whatever else is wrong with it, it keeps nobody waiting.
            context.slots.leave(uid)
            throw error
        }
    }

    /// The pod waits for places: its condition and an event say so.
    func waits(_ wait: SlotWait) {
        let now = context.now()
        backoff.failed(
            .sandbox, WaitingReason(WaitingReason.noSlot, wait.description), now: now,
            after: wait.isFirst ? min(context.retry, .seconds(1)) : context.retry)
        guard !hasToldWait else { return }
        hasToldWait = true
        logger.info("\(wait)")
        context.events.record(pod, .normal, reason: WaitingReason.noSlot, message: wait.description)
    }
}
