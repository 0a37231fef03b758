import Proto
import RPC

extension FakeRuntime {
    /// What everything uses: numbers that follow from the container's number, so that a test knows them.
    func registerStats(_ router: inout Router) {
        typealias Runtime = CRI.RuntimeService
        slow(Runtime.listPodSandboxStats, &router) { state, request in
            .init { $0.stats = state.sandboxStats(request.filter?.labelSelector) }
        }
        slow(Runtime.listContainerStats, &router) { state, request in
            .init { $0.stats = state.containerStats(request.filter?.labelSelector) }
        }
        slow(CRI.ImageService.imageFsInfo, &router) { state, _ in
            let now = state.now()
            return .init {
                $0.imageFilesystems = [
                    .init {
                        $0.timestamp = now
                        $0.fsId = .init { $0.mountpoint = "/" }
                        $0.usedBytes = .init { $0.value = 1 << 20 }
                        $0.inodesUsed = .init { $0.value = 7 }
                    }
                ]
            }
        }
        unary(Runtime.checkpointContainer, &router) { state, request in
            guard state.hasStats else { throw RPCError(.unimplemented, "no checkpoints") }
            state.checkpoints.append(request)
            return .init()
        }
    }

    /// Answers, or never does.
    private func slow<Q, R>(
        _ method: UnaryMethod<Q, R>, _ router: inout Router, _ body: @escaping @Sendable (inout State, Q) throws -> R
    ) {
        router.handle(method) { [self] request, _ in
            try edit { state in
                state.count(method.name)
                guard state.hasStats else { throw RPCError(.unimplemented, "no statistics") }
                if state.hangs.contains(method.name) {
                    return .later {
                        try await Task.sleep(for: .seconds(3600))
                        throw RPCError(.cancelled, "")
                    }
                }
                return .now(try body(&state, request))
            }
        }
    }
}

extension FakeRuntime.State {
    private func fits(_ labels: [String: String], _ selector: [String: String]?) -> Bool {
        (selector ?? [:]).allSatisfy { labels[$0.key] == $0.value }
    }

    private static func number(_ value: UInt64) -> CRI.UInt64Value { .init { $0.value = value } }

    mutating func containerStats(_ selector: [String: String]?) -> [CRI.ContainerStats] {
        let now = now()
        return containers.values
            .filter { $0.status.state == .containerRunning && fits($0.status.labels, selector) }
            .map { container in
                .init {
                    $0.attributes = .init {
                        $0.id = container.status.id
                        $0.metadata = container.status.metadata
                        $0.labels = container.status.labels
                    }
                    $0.cpu = .init {
                        $0.timestamp = now
                        $0.usageCoreNanoSeconds = Self.number(1_500_000_000)
                    }
                    $0.memory = .init {
                        $0.timestamp = now
                        $0.workingSetBytes = Self.number(3 << 20)
                        $0.usageBytes = Self.number(4 << 20)
                        $0.rssBytes = Self.number(2 << 20)
                    }
                    $0.writableLayer = .init {
                        $0.timestamp = now
                        $0.usedBytes = Self.number(4096)
                        $0.inodesUsed = Self.number(2)
                    }
                }
            }
    }

    mutating func sandboxStats(_ selector: [String: String]?) -> [CRI.PodSandboxStats] {
        let now = now()
        return sandboxes.values
            .filter { $0.status.state == .sandboxReady && fits($0.status.labels, selector) }
            .map { sandbox in
                .init {
                    $0.attributes = .init {
                        $0.id = sandbox.status.id
                        $0.metadata = sandbox.status.metadata
                        $0.labels = sandbox.status.labels
                    }
                    $0.linux = .init {
                        $0.network = .init {
                            $0.timestamp = now
                            $0.defaultInterface = .init {
                                $0.name = "eth0"
                                $0.rxBytes = Self.number(11)
                                $0.txBytes = Self.number(22)
                            }
                        }
                        $0.process = .init { $0.processCount = Self.number(3) }
                    }
                }
            }
    }
}
