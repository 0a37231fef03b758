import Logging
import NIOCore
import Proto
import RPC

/// Binds the CRI's methods to what answers them. Methods that are not bound answer UNIMPLEMENTED by the router.
struct CRIService: Sendable {
    let store: StateStore
    let sandboxes: Sandboxes
    let containers: Containers
    let images: any ImageManager
    let runtimes: Runtimes
    let statistics: ContainerStatistics
    let streaming: StreamingSessions
    let info: RuntimeInfo
    /// Tells what becomes of the images that are brought beforehand.
    var prePull: PrePuller?
    let logger: Logger

    func register(in router: inout Router) {
        registerStatus(in: &router)
        registerSandboxes(in: &router)
        registerContainers(in: &router)
        registerLists(in: &router)
        registerEvents(in: &router)
        registerExec(in: &router)
        registerImages(in: &router)
        registerStats(in: &router)
    }

    /// Answered on the event loop, from memory.
    func read<Q, R>(
        _ method: UnaryMethod<Q, R>, in router: inout Router, _ body: @escaping @Sendable (Q) throws -> Answer<R>
    ) {
        router.handle(method) { request, _ in
            do { return try body(request) } catch { throw RPCError(describing: error) }
        }
    }

    /// Takes time: answered from a task that is cancelled with the call.
    func work<Q, R>(
        _ method: UnaryMethod<Q, R>, in router: inout Router,
        _ body: @escaping @Sendable (Q, CallContext) async throws -> R
    ) {
        router.handle(method) { request, context in
            .later {
                do {
                    return try await body(request, context)
                } catch {
                    let status = RPCError(describing: error)
                    logger.debug("call failed", metadata: ["rpc": "\(method.name)", "status": "\(status)"])
                    throw status
                }
            }
        }
    }
}
