import HTTP
import KubeAPI
import Logging
import NIOCore
import NIOHTTP1
import Sockets

/// A socket in the adapter's directory for the people of this machine: who may open it may look.
struct AdminServer: Sendable {
    let store: PodStore
    let events: RecentEvents
    let server: HTTPServer

    /// Where it is, below the adapter's directory.
    static func path(root: String) -> String { "\(root)/admin.sock" }

    init(store: PodStore, events: RecentEvents, root: String, group: any EventLoopGroup, logger: Logger) {
        self.store = store
        self.events = events
        server = HTTPServer(
            listeners: [.unix(Self.path(root: root))], drainTime: .zero, logger: logger, group: group
        ) { request in Self.answer(request, store, events) }
    }

    /// Serves until the task is cancelled or the adapter ends. An adapter without it works all the same.
    func run(_ logger: Logger) async {
        do {
            try await server.run()
        } catch {
            logger.warning("`vk-adapter pods` is not served: \(error)")
        }
    }

    private static func answer(_ request: HTTPRequest, _ store: PodStore, _ events: RecentEvents) -> HTTPResponse {
        guard request.method == .GET, request.path == "/pods" else {
            return HTTPResponse(.notFound, text: "404 page not found")
        }
        let pods = store.all
        events.keep(Set(pods.map(\.metadata.uid)))
        let items = pods.map { pod in
            Value(
                .object([
                    Member("pod", pod.encodedAlways()),
                    Member("events", Value(.array(events.events(of: pod.metadata.uid).map(\.value)))),
                ]))
        }
        return HTTPResponse(
            .ok, headers: ["content-type": "application/json"],
            body: .bytes(ByteBuffer(bytes: Value(.object([Member("items", Value(.array(items)))])).jsonBytes())))
    }
}
