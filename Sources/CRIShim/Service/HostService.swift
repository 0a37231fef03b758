import HostFiles
import Logging
import Proto
import RPC
import Waiting

/// What an adapter asks of the host that the CRI does not offer (`vzcri.v1.HostService`). Methods that are not bound answer
/// UNIMPLEMENTED by the router.
///
/// Paths and names in requests are not trusted: files of pods are made below the shim's root, logs are served from their
/// directory only, and a host path is what a pod names and nothing else.
struct HostService: Sendable {
    let choice: RuntimeChoice
    let store: StateStore
    let containers: Containers
    let machines: VMRuntime
    let slots: VMSlots
    let docker: DockerRuntime
    let pulls: PullBoard
    /// The shim's root.
    let root: String
    let logs: LogDirectory
    /// Opens when the daemon goes down: streams end then.
    let closing = Latch()
    let logger: Logger

    func register(in router: inout Router) {
        let classifier = ImageClassifier(choice: choice)
        work(HostAPI.HostService.classifyImage, in: &router) { try await classifier.classify($0) }
        registerHost(in: &router)
        registerGuests(in: &router)
        registerPulls(in: &router)
        registerVolumes(in: &router)
        registerLogs(in: &router)
    }

    /// Ends the streams that have no end of their own.
    func close() {
        closing.open()
        machines.guests.watchers.end()
        pulls.watchers.end()
    }

    /// Takes time: answered from a task that is cancelled with the call.
    func work<Request, Response>(
        _ method: UnaryMethod<Request, Response>, in router: inout Router,
        _ body: @escaping @Sendable (Request) async throws -> Response
    ) {
        router.handle(method) { request, _ in
            .later {
                do {
                    return try await body(request)
                } catch {
                    let status = RPCError(describing: error)
                    logger.debug("call failed", metadata: ["rpc": "\(method.name)", "status": "\(status)"])
                    throw status
                }
            }
        }
    }

    /// Blocking calls on threads made for them.
    func files<Request: Sendable, Response: Sendable>(
        _ method: UnaryMethod<Request, Response>, in router: inout Router,
        _ body: @escaping @Sendable (Request) throws -> Response
    ) {
        work(method, in: &router) { request in try await RootDirectory.offload { try body(request) } }
    }

    /// A task that is cancelled with the call.
    func stream<Request, Response>(
        _ method: ServerStreamingMethod<Request, Response>, in router: inout Router,
        _ body: @escaping @Sendable (Request, ResponseWriter<Response>) async throws -> Void
    ) {
        router.handle(method) { request, _, writer in
            do {
                try await body(request, writer)
            } catch {
                throw RPCError(describing: error)
            }
        }
    }
}
