import NIOCore
import Proto
import RPC

extension CRIService {
    /// Objects per message of a streamed list: well under any message limit.
    private static let page = 100

    func registerLists(in router: inout Router) {
        read(CRI.RuntimeService.listPodSandbox, in: &router) { request in
            try store.requireSandboxesKnown(matching: request.filter)
            return .encoded(store.encodedSandboxes(matching: request.filter))
        }
        read(CRI.RuntimeService.listContainers, in: &router) { request in
            try store.requireContainersKnown(matching: request.filter)
            return .encoded(store.encodedContainers(matching: request.filter))
        }
        router.handle(CRI.RuntimeService.streamPodSandboxes) { request, _, writer in
            try store.requireSandboxesKnown(matching: request.filter)
            for page in Self.pages(store.sandboxes(matching: request.filter)) {
                try await writer.write(.init { $0.podSandboxes = page.map(\.listed) })
            }
        }
        router.handle(CRI.RuntimeService.streamContainers) { request, _, writer in
            try store.requireContainersKnown(matching: request.filter)
            for page in Self.pages(store.containers(matching: request.filter)) {
                try await writer.write(.init { $0.containers = page.map(\.listed) })
            }
        }
        router.handle(CRI.ImageService.streamImages) { request, _, writer in
            do {
                for page in Self.pages(try await images.list(request.filter)) {
                    try await writer.write(.init { $0.images = Array(page) })
                }
            } catch {
                throw RPCError(describing: error)
            }
        }
    }

    private static func pages<Element>(_ all: [Element]) -> [ArraySlice<Element>] {
        stride(from: 0, to: all.count, by: page).map { all[$0..<min($0 + page, all.count)] }
    }
}
