import Proto
import RPC

extension CRIService {
    /// Objects per message of a streamed list.
    private static let statsPage = 100

    func registerStats(in router: inout Router) {
        work(CRI.RuntimeService.containerStats, in: &router) { request, _ in
            try store.requireContainersKnown(for: request.containerId)
            let stats = try await statistics.container(request.containerId)
            return .init { $0.stats = stats }
        }
        work(CRI.RuntimeService.listContainerStats, in: &router) { request, _ in
            let stats = try await statistics.containers(matching: request.filter)
            return .init { $0.stats = stats }
        }
        work(CRI.RuntimeService.podSandboxStats, in: &router) { request, _ in
            let stats = try await statistics.sandbox(request.podSandboxId)
            return .init { $0.stats = stats }
        }
        work(CRI.RuntimeService.listPodSandboxStats, in: &router) { request, _ in
            let stats = try await statistics.sandboxes(matching: request.filter)
            return .init { $0.stats = stats }
        }
        read(CRI.RuntimeService.listMetricDescriptors, in: &router) { _ in
            .now(.init { $0.descriptors = ContainerMetrics.descriptors })
        }
        work(CRI.RuntimeService.listPodSandboxMetrics, in: &router) { _, _ in
            let metrics = await statistics.metrics()
            return .init { $0.podMetrics = metrics }
        }
        router.handle(CRI.RuntimeService.streamPodSandboxMetrics) { _, _, writer in
            for page in Self.pagesOfStats(await statistics.metrics()) {
                try await writer.write(.init { $0.podSandboxMetrics = Array(page) })
            }
        }
        router.handle(CRI.RuntimeService.streamContainerStats) { request, _, writer in
            do {
                for page in Self.pagesOfStats(try await statistics.containers(matching: request.filter)) {
                    try await writer.write(.init { $0.containerStats = Array(page) })
                }
            } catch {
                throw RPCError(describing: error)
            }
        }
        router.handle(CRI.RuntimeService.streamPodSandboxStats) { request, _, writer in
            do {
                for page in Self.pagesOfStats(try await statistics.sandboxes(matching: request.filter)) {
                    try await writer.write(.init { $0.podSandboxStats = Array(page) })
                }
            } catch {
                throw RPCError(describing: error)
            }
        }
    }

    private static func pagesOfStats<Element>(_ all: [Element]) -> [ArraySlice<Element>] {
        stride(from: 0, to: all.count, by: statsPage).map { all[$0..<min($0 + statsPage, all.count)] }
    }
}
