import Proto
import RPC

extension CRIProvider {
    func runSandbox(_ config: CRI.PodSandboxConfig, handler: String) async throws -> String {
        let answer = try await call(
            CRI.RuntimeService.runPodSandbox,
            .init {
                $0.config = config
                $0.runtimeHandler = handler
            }, "make a sandbox", timeouts.create)
        return answer.podSandboxId
    }

    func stopSandbox(_ id: String) async throws {
        _ = try await unlessGone {
            try await call(
                CRI.RuntimeService.stopPodSandbox, .init { $0.podSandboxId = id }, "stop sandbox \(id)", timeouts.create
            )
        }
    }

    func removeSandbox(_ id: String) async throws {
        _ = try await unlessGone {
            try await call(
                CRI.RuntimeService.removePodSandbox, .init { $0.podSandboxId = id }, "remove sandbox \(id)",
                timeouts.create)
        }
    }

    func classify(image: String) async throws -> RuntimePlan.ImageRuntime? {
        do {
            let answer = try await call(
                HostAPI.HostService.classifyImage, .init { $0.image = image }, "learn what runs image \(image)")
            return answer.runtime == .runtimeVm ? .vm : .container
        } catch let error as AdapterError where error.code == .unimplemented {
            return nil
        }
    }

    func image(_ spec: CRI.ImageSpec) async throws -> CRI.Image? {
        try await call(CRI.ImageService.imageStatus, .init { $0.image = spec }, "look at image \(spec.image)").image
    }

    func pull(_ spec: CRI.ImageSpec, auth: CRI.AuthConfig?, sandbox: CRI.PodSandboxConfig) async throws -> String {
        let answer = try await call(
            CRI.ImageService.pullImage,
            .init {
                $0.image = spec
                $0.auth = auth
                $0.sandboxConfig = sandbox
            }, "pull image \(spec.image)", timeouts.pull)
        return answer.imageRef
    }

    func createContainer(_ config: CRI.ContainerConfig, sandboxID: String, sandbox: CRI.PodSandboxConfig) async throws
        -> String
    {
        let answer = try await call(
            CRI.RuntimeService.createContainer,
            .init {
                $0.podSandboxId = sandboxID
                $0.config = config
                $0.sandboxConfig = sandbox
            }, "make container \(config.metadata?.name ?? "")", timeouts.create)
        return answer.containerId
    }

    func startContainer(_ id: String) async throws {
        _ = try await call(
            CRI.RuntimeService.startContainer, .init { $0.containerId = id }, "start container \(id)", timeouts.create)
    }

    func stopContainer(_ id: String, grace: Int64) async throws {
        _ = try await unlessGone {
            try await call(
                CRI.RuntimeService.stopContainer,
                .init {
                    $0.containerId = id
                    $0.timeout = grace
                }, "stop container \(id)", timeouts.stop + .seconds(grace))
        }
    }

    func removeContainer(_ id: String) async throws {
        _ = try await unlessGone {
            try await call(
                CRI.RuntimeService.removeContainer, .init { $0.containerId = id }, "remove container \(id)",
                timeouts.create)
        }
    }

    func execSync(_ id: String, _ command: [String], timeout: Duration?) async throws -> CRI.ExecSyncResponse {
        // Whole seconds on the wire; the runtime is given time to say that they are over.
        let seconds = timeout.map { max(1, Int64(($0 / .seconds(1)).rounded(.up))) } ?? 0
        return try await call(
            CRI.RuntimeService.execSync,
            .init {
                $0.containerId = id
                $0.cmd = command
                $0.timeout = seconds
            }, "run a command in container \(id)", timeout.map { $0 + timeouts.short } ?? timeouts.pull)
    }

    func updateResources(_ id: String, _ resources: CRI.LinuxContainerResources) async throws {
        _ = try await call(
            CRI.RuntimeService.updateContainerResources,
            .init {
                $0.containerId = id
                $0.linux = resources
            }, "change the resources of container \(id)", timeouts.create)
    }

    func reopenLog(_ id: String) async throws {
        _ = try await call(
            CRI.RuntimeService.reopenContainerLog, .init { $0.containerId = id }, "begin a new log of container \(id)")
    }

    func execURL(_ request: CRI.ExecRequest) async throws -> String {
        try await call(CRI.RuntimeService.exec, request, "run a command in container \(request.containerId)").url
    }

    func attachURL(_ request: CRI.AttachRequest) async throws -> String {
        try await call(CRI.RuntimeService.attach, request, "attach to container \(request.containerId)").url
    }

    func portForwardURL(_ request: CRI.PortForwardRequest) async throws -> String {
        try await call(CRI.RuntimeService.portForward, request, "forward ports of sandbox \(request.podSandboxId)").url
    }

    // MARK: Errors

    func call<Request, Response>(
        _ method: UnaryMethod<Request, Response>, _ request: Request, _ attempt: String, _ timeout: Duration? = nil
    ) async throws -> Response {
        let start = ContinuousClock.now
        do {
            let answer = try await traced(method.name) {
                try await client.call(method, request, timeout: timeout ?? timeouts.short)
            }
            metrics?.called(method.name, start, failed: false)
            return answer
        } catch {
            metrics?.called(method.name, start, failed: true)
            throw adapterError(error, attempt)
        }
    }

    private func traced<Response>(_ method: String, _ work: () async throws -> Response) async rethrows -> Response {
        guard let tracer, Tracer.current != nil else { return try await work() }
        return try await tracer.span(
            "CRI \(method)", .client, attributes: ["rpc.system": "grpc", "rpc.method": method], work)
    }

    /// - Returns: `nil` when what was asked for does not exist any more.
    func unlessGone<Response>(_ body: () async throws -> Response) async throws -> Response? {
        do {
            return try await body()
        } catch let error as AdapterError where error.code == .notFound {
            return nil
        }
    }

    func adapterError(_ error: any Error, _ attempt: String) -> any Error {
        guard let error = error as? RPCError else { return error }
        let code: AdapterError.Code =
            switch error.code {
            case .unavailable: .unavailable
            case .notFound: .notFound
            case .alreadyExists: .busy
            case .unimplemented: .unimplemented
            case .invalidArgument: .invalidArgument
            case .deadlineExceeded: .timedOut
            case .resourceExhausted: .exhausted
            default: .failed
            }
        return AdapterError(code, "cannot \(attempt)", cause: error)
    }
}
