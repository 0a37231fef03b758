import HTTP
public import KubeAPI
public import Logging
import NIOCore
import NIOHTTP1
import NIOPosix
import Support
import Synchronization

/// An API server in this process, honest about versions, watch windows, patches, subresources and refusals. Keeps its
/// objects over a restart.
public final class APIServerDouble: Sendable {
    /// Who asks, by the token they show.
    public struct User: Sendable, Hashable {
        public var name: String
        public var groups: [String]

        public init(_ name: String, groups: [String] = []) {
            self.name = name
            self.groups = groups
        }

        public static let admin = User("admin", groups: ["system:masters"])
        public static func node(_ name: String) -> User { User("system:node:\(name)", groups: ["system:nodes"]) }
    }

    /// What goes wrong instead of an answer.
    public enum Fault: Sendable {
        case refuse(Refusal)
        /// The connection breaks without an answer.
        case hangUp
        /// Nothing is answered until the client gives up.
        case silence
    }

    /// What was asked, for those who count.
    public struct Asked: Sendable, Hashable {
        public var user: String
        public var method: String
        public var target: String
    }

    /// A change, as those learn of it who watch over everything.
    public struct Seen: Sendable {
        public var plural: String
        /// `nil` for what was removed.
        public var object: Value?
    }

    struct State {
        var storage = Storage()
        var waiters: [Int: AsyncStream<Void>.Continuation] = [:]
        var nextWaiter = 0
        var pages: [String: [Value]] = [:]
        var tokens: [String: User] = [:]
        var grants: Set<Grant> = []
        var asked: [Asked] = []
        /// The version the last bookmark told of.
        var bookmarked: Int64 = 0
        var observer: (@Sendable (Seen) -> Void)?
        var faults: [@Sendable (Asked) -> Fault?] = []
        var server: HTTPServer?
        var port = 0
        var generation = 0
        /// The longest a service account's token counts, in seconds.
        var tokenLifetime: Int64 = 86400
        var issued = 0
    }

    let state = Mutex(State())
    let logger: Logger
    /// Between bookmarks of a quiet watch.
    public let bookmarkInterval: Duration

    public init(bookmarkInterval: Duration = .milliseconds(200), logger: Logger = Logger(label: "apiserver")) {
        self.bookmarkInterval = bookmarkInterval
        self.logger = logger
    }

    /// Runs `body` while a server listens on loopback.
    public static func with<R: Sendable>(
        bookmarkInterval: Duration = .milliseconds(200), _ body: (APIServerDouble) async throws -> R
    ) async throws -> R {
        let server = APIServerDouble(bookmarkInterval: bookmarkInterval)
        try await server.start()
        do {
            let result = try await body(server)
            await server.stop()
            return result
        } catch {
            await server.stop()
            throw error
        }
    }

    // MARK: Life

    /// Listens: on the port it had before, if it listened before.
    public func start() async throws {
        let port = try state.withLock { state in
            if state.port == 0 { state.port = try LoopbackPort.take() }
            return state.port
        }
        let end = ContinuousClock.now + .seconds(30)
        while true {
            do {
                return try await start(at: port)
            } catch {
                // A child that is being started holds the port for a moment longer than we did.
                if ContinuousClock.now > end { throw error }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private func start(at port: Int) async throws {
        let server = HTTPServer(
            listeners: [.tcp(host: "127.0.0.1", port: port)], drainTime: .zero, logger: logger,
            group: MultiThreadedEventLoopGroup.singleton
        ) { [weak self] request in
            guard let self else { throw Refusal(500, "InternalError", "gone") }
            return try await self.answer(request)
        }
        _ = try await server.start()
        state.withLock { state in
            state.server = server
            state.generation += 1
        }
    }

    /// Hangs up on everybody. What is kept stays.
    public func stop() async {
        let server = state.withLock { state -> HTTPServer? in
            defer { state.server = nil }
            for waiter in state.waiters.values { waiter.finish() }
            state.waiters = [:]
            state.pages = [:]
            return state.server
        }
        await server?.drain(within: .zero)
    }

    public func restart() async throws {
        await stop()
        try await start()
    }

    /// How a client with this user's rights reaches it.
    public func connection(as user: User = .admin) -> ClusterConnection {
        state.withLock { state in
            let token = "token-of-\(user.name)"
            state.tokens[token] = user
            return ClusterConnection(
                server: .init(isEncrypted: false, host: "127.0.0.1", port: state.port), bearer: .token(token))
        }
    }

    // MARK: What tests do behind everybody's back

    /// Adds a rule: the first that gives a fault for a request counts.
    public func fault(_ rule: @escaping @Sendable (Asked) -> Fault?) { state.withLock { $0.faults.append(rule) } }
    public func clearFaults() { state.withLock { $0.faults = [] } }

    /// All requests so far.
    public var asked: [Asked] { state.withLock { $0.asked } }

    public func forgetAsked() { state.withLock { $0.asked = [] } }

    /// Whether a bookmark was sent that tells of everything there is.
    public var isBookmarked: Bool { state.withLock { $0.bookmarked == $0.storage.version } }

    /// How many watches are open.
    public var watches: Int { state.withLock { $0.waiters.count } }

    /// Is told of every change as it is made, before anybody else.
    public func observe(_ observer: @escaping @Sendable (Seen) -> Void) { state.withLock { $0.observer = observer } }

    /// Forgets everything that happened until now: whoever is behind has to list again.
    public func compact() {
        state.withLock { state in
            state.storage.forget(upTo: state.storage.version)
            state.pages = [:]
        }
    }

    /// Ends every watch, as a server does when its time is up.
    public func endWatches() {
        state.withLock { state in
            state.generation += 1
            for waiter in state.waiters.values { waiter.yield() }
        }
    }

    /// An object as it is kept.
    public func object(_ plural: String, namespace: String = "", name: String) -> Value? {
        state.withLock { state in
            state.storage.objects.first {
                $0.key.kind.plural == plural && $0.key.namespace == namespace && $0.key.name == name
            }?.value
        }
    }

    /// All objects of a kind, in whatever namespace.
    public func objects(_ plural: String) -> [Value] {
        state.withLock { state in
            state.storage.objects.filter { $0.key.kind.plural == plural }.map(\.value)
        }
    }

    /// Writes an object as it is, checked by nothing.
    public func put(_ value: Value, as plural: String) {
        guard let kind = ResourceKind.all.first(where: { $0.plural == plural }),
            let name = value.at("metadata", "name")?.string
        else { return }
        let namespace = value.at("metadata", "namespace")?.string ?? ""
        change { _ = $0.put(.init(kind: kind, namespace: namespace, name: name), value) }
    }

    /// Takes an object away at once.
    public func remove(_ plural: String, namespace: String = "", name: String) {
        guard let kind = ResourceKind.all.first(where: { $0.plural == plural }) else { return }
        change { _ = $0.put(.init(kind: kind, namespace: namespace, name: name), nil) }
    }

    // MARK: Changes

    /// Changes what is kept, and tells the watchers.
    func change<R>(_ work: (inout Storage) throws -> R) rethrows -> R {
        try state.withLock { state in
            let before = state.storage.version
            defer {
                if state.storage.version != before {
                    for change in state.observer == nil ? [] : state.storage.changes(after: before) {
                        state.observer?(Seen(plural: change.key.kind.plural, object: change.after))
                    }
                    for waiter in state.waiters.values { waiter.yield() }
                }
            }
            return try work(&state.storage)
        }
    }
}
