import AsyncHTTPClient
public import Logging
import NIOCore

/// Follows a collection of objects: what there is, then every change, in order, nothing missed and nothing twice, however
/// often the API server restarts or the network breaks.
///
/// It lists in pages, then watches from where the list ended, and again from where the last watch ended. When the server
/// does not remember that far back it lists again, and says what the collection is now.
public struct Reflector<Object: KubeObject>: Sendable {
    public enum News: Sendable {
        /// All there is. What is unreadable is there as well.
        case replaced([Object], unreadable: [UnreadableObject])
        case changed(Object)
        case removed(Object)
        /// An object that could be read before may have become one that cannot: it is still there.
        case unreadable(UnreadableObject)
    }

    public struct Options: Sendable {
        public var pageSize = 500
        /// How long one watch lasts at least; at most twice that. Spreads what many clients ask.
        public var watchTime: Duration = .seconds(300)
        /// Servers send a bookmark every minute: one that says nothing for so long is asked anew.
        public var silence: Duration = .seconds(150)
        public var backOff = JitteredBackOff()
        /// Told of every try that failed, before the next.
        public var failed: @Sendable (any Error) async -> Void = { _ in }

        public init() {}
    }

    private let client: KubeClient
    private let resource: APIResource<Object>
    private let namespace: String?
    private let selection: ListSelection
    private let options: Options
    private let logger: Logger

    /// - Parameter fields: a field selector, as `metadata.name=settings`.
    public init(
        _ resource: APIResource<Object>, namespace: String? = nil, fields: String = "", labels: String = "",
        client: KubeClient, options: Options = Options(), logger: Logger
    ) {
        self.client = client
        self.resource = resource
        self.namespace = namespace
        self.options = options
        selection = ListSelection(fields: fields, labels: labels)
        var logger = logger
        logger[metadataKey: "resource"] = "\(resource.plural)"
        self.logger = logger
    }

    /// Runs until the task is cancelled.
    /// - Parameter deliver: is told one thing at a time; as long as it works nothing more is read.
    public func run(_ deliver: @escaping @Sendable (News) async -> Void) async {
        var backOff = options.backOff
        var listed: WatchProgress?
        var isLosing = false
        while !Task.isCancelled {
            let began = ContinuousClock.now
            do {
                let progress = if let listed { listed } else { WatchProgress(version: try await list(deliver)) }
                listed = progress
                if isLosing { logger.info("the API server answers again") }
                isLosing = false
                try await watch(progress, deliver)
                // A server that ends every watch at once is not asked all the time.
                if began.duration(to: .now) > .seconds(5) {
                    backOff.reset()
                } else {
                    try await Task.sleep(for: backOff.step())
                }
            } catch {
                if Task.isCancelled { return }
                if (error as? KubeAPIError)?.isExpired == true {
                    logger.info("the API server does not remember version \(listed?.version ?? ""): listing again")
                    listed = nil
                } else {
                    if !isLosing { logger.warning("cannot follow the cluster, trying on: \(error)") }
                    isLosing = true
                    await options.failed(error)
                }
                do {
                    // What the server asks for is kept, also by those whom its first answer after an outage wakes.
                    if let asked = (error as? KubeAPIError)?.retryAfter { try await Task.sleep(for: asked) }
                    try await client.pause(backOff.step(), since: began)
                } catch { return }
            }
        }
    }

    // MARK: The list

    private func list(_ deliver: @Sendable (News) async -> Void) async throws -> String {
        var page = selection
        page.limit = options.pageSize
        var objects: [Object] = []
        var unreadable: [UnreadableObject] = []
        while true {
            let list: ObjectList<Object>
            do {
                list = try await client.list(resource, namespace: namespace, page)
            } catch let error as KubeAPIError where error.isExpired && page.limit > 0 {
                // The pages' version is gone before the last was read: all at once then.
                page = selection
                (objects, unreadable) = ([], [])
                continue
            }
            objects += list.items
            unreadable += list.unreadable
            if list.metadata.continue.isEmpty {
                for object in unreadable { warn(object) }
                await deliver(.replaced(objects, unreadable: unreadable))
                return list.metadata.resourceVersion
            }
            page.from = list.metadata.continue
        }
    }

    private func warn(_ object: UnreadableObject) {
        logger.error("cannot read \(object.namespace)/\(object.name): \(object.reason)")
    }

    // MARK: The watch

    /// Follows changes from where `progress` is, until the server ends the watch.
    private func watch(_ progress: WatchProgress, _ deliver: @escaping @Sendable (News) async -> Void) async throws {
        progress.heard()
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { try await follow(progress, deliver) }
            group.addTask {
                try await progress.silence(of: options.silence)
                throw KubeAPIError(.unavailable, "the API server said nothing for \(options.silence)")
            }
            defer { group.cancelAll() }
            try await group.next()
        }
    }

    private func follow(_ progress: WatchProgress, _ deliver: @Sendable (News) async -> Void) async throws {
        let seconds = options.watchTime.components.seconds
        var items = selection.items
        items += [
            ("watch", "true"), ("allowWatchBookmarks", "true"), ("resourceVersion", progress.version),
            ("timeoutSeconds", "\(Int64.random(in: seconds...(2 * seconds)))"),
        ]
        let target = resource.path(namespace: namespace) + APIPath.query(items)
        var lines = LineSplitter()
        do {
            try await client.watch(target) { body in
                for try await buffer in body {
                    progress.heard()
                    for line in try lines.take(buffer) {
                        try await take(try WatchEvent(parsing: line), progress, deliver)
                    }
                }
            }
        } catch let error as KubeAPIError {
            throw error
        } catch {
            throw KubeClient.cut(.init(target: target), error)
        }
    }

    private func take(
        _ event: WatchEvent<Object>, _ progress: WatchProgress, _ deliver: @Sendable (News) async -> Void
    ) async throws {
        switch event {
        case .bookmark(let version): progress.reached(version)
        case .changed(let object):
            await progress.delivering { await deliver(.changed(object)) }
            progress.reached(object.metadata.resourceVersion)
        case .removed(let object):
            await progress.delivering { await deliver(.removed(object)) }
            progress.reached(object.metadata.resourceVersion)
        case .unreadable(let object, let version):
            warn(object)
            await progress.delivering { await deliver(.unreadable(object)) }
            progress.reached(version)
        case .failed(let error): throw error
        }
    }
}
