import KubeAPI
import Logging
import Waiting

/// The ConfigMaps and Secrets pods of this node use, each followed as long as one of them does: asked for once and
/// watched from there, whoever of them reads it how often. A node may not list them, and does not.
actor ObjectCache {
    private enum Content {
        /// Nobody has answered yet. The reason of the last try that failed.
        case unknown(KubeAPIError?)
        case missing
        case there([String: [UInt8]])
    }

    private struct Entry {
        var users: Set<String> = []
        var content = Content.unknown(nil)
        /// Ends the following.
        var stop: AsyncStream<Void>.Continuation?
        /// Opens with the first answer.
        let answered = Latch()
    }

    private struct Start: Sendable {
        var key: ObjectKey
        var stop: AsyncStream<Void>
    }

    private let client: KubeClient
    private let logger: Logger
    private let options: Options
    private var entries: [ObjectKey: Entry] = [:]
    private var used: [String: Set<ObjectKey>] = [:]
    private let starts: AsyncStream<Start>
    private let start: AsyncStream<Start>.Continuation
    /// Told which pods use an object that is another now.
    private let changed: @Sendable (Set<String>) -> Void

    struct Options: Sendable {
        /// For the first answer about an object.
        var patience: Duration = .seconds(10)
        /// A server learns of a pod's right to its objects a moment after the pod: the first tries come soon.
        var backOff = JitteredBackOff(initial: .milliseconds(200), maximum: .seconds(30))
    }

    init(
        client: KubeClient, options: Options = Options(), logger: Logger,
        changed: @escaping @Sendable (Set<String>) -> Void
    ) {
        self.client = client
        self.options = options
        self.logger = logger
        self.changed = changed
        (starts, start) = AsyncStream.makeStream()
    }

    /// Follows what is used, until the task is cancelled.
    func run() async {
        await withDiscardingTaskGroup { group in
            for await next in starts { group.addTask { await self.follow(next) } }
            group.cancelAll()
        }
    }

    // MARK: Who uses what

    /// The pod uses exactly these from now on.
    func use(_ keys: Set<ObjectKey>, by uid: String) {
        let before = used[uid] ?? []
        used[uid] = keys.isEmpty ? nil : keys
        for key in keys.subtracting(before) {
            let isNew = entries[key] == nil
            entries[key, default: Entry()].users.insert(uid)
            guard isNew else { continue }
            let (stream, stop) = AsyncStream<Void>.makeStream()
            entries[key]?.stop = stop
            start.yield(Start(key: key, stop: stream))
        }
        for key in before.subtracting(keys) {
            entries[key]?.users.remove(uid)
            guard let entry = entries[key], entry.users.isEmpty else { continue }
            entries[key] = nil
            entry.stop?.finish()
            entry.answered.open()
        }
    }

    func release(_ uid: String) { use([], by: uid) }

    /// How many objects are followed.
    var count: Int { entries.count }

    // MARK: Reading

    /// What is in those of the objects that are there; they must be in use.
    /// - Throws: ``AdapterError`` `unavailable` when it cannot be said whether they are there.
    func contents(_ keys: Set<ObjectKey>) async throws -> KeyedObjects {
        var objects = KeyedObjects()
        for key in keys.sorted(by: { $0.description < $1.description }) {
            guard let content = try await content(key) else { continue }
            switch key.kind {
            case .configMap: objects.configMaps[key.name] = content
            case .secret: objects.secrets[key.name] = content
            }
        }
        return objects
    }

    private func content(_ key: ObjectKey) async throws -> [String: [UInt8]]? {
        if case .unknown(nil)? = entries[key]?.content {
            await entries[key]?.answered.wait(atMost: options.patience)
        }
        try Task.checkCancellation()
        switch entries[key]?.content {
        case .there(let content): return content
        case .missing: return nil
        case .unknown(let error?): throw AdapterError(.unavailable, "cannot read \(key)", cause: error)
        case .unknown(nil), nil:
            throw AdapterError(
                .unavailable, "cannot read \(key): the API server has not answered within \(options.patience)")
        }
    }

    // MARK: Following

    private func follow(_ start: Start) async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.reflect(start.key) }
            group.addTask { for await _ in start.stop {} }
            await group.next()
            group.cancelAll()
        }
    }

    private nonisolated func reflect(_ key: ObjectKey) async {
        switch key.kind {
        case .configMap:
            await reflect(.configMaps, key) { ($0.contents, $0.immutable == true) }
        case .secret:
            await reflect(.secrets, key) { ($0.contents, $0.immutable == true) }
        }
    }

    private nonisolated func reflect<Object: KubeObject>(
        _ resource: APIResource<Object>, _ key: ObjectKey,
        _ read: @escaping @Sendable (Object) -> ([String: [UInt8]], isFinal: Bool)
    ) async {
        var options = Reflector<Object>.Options()
        options.backOff = self.options.backOff
        options.failed = { error in await self.failed(key, error) }
        let reflector = Reflector(
            resource, namespace: key.namespace, fields: "metadata.name=\(key.name)", client: client, options: options,
            logger: logger)
        await reflector.run { news in
            switch news {
            case .replaced(let objects, let unreadable):
                if !objects.isEmpty || unreadable.isEmpty { await self.set(key, objects.first.map(read)) }
            case .changed(let object): await self.set(key, read(object))
            case .removed: await self.set(key, nil)
            // What was understood of it last still holds.
            case .unreadable: break
            }
        }
    }

    private func failed(_ key: ObjectKey, _ error: any Error) {
        guard case .unknown? = entries[key]?.content else { return }
        let error = error as? KubeAPIError ?? KubeAPIError(.unavailable, "cannot ask for it", cause: error)
        entries[key]?.content = .unknown(error)
        entries[key]?.answered.open()
    }

    private func set(_ key: ObjectKey, _ new: (content: [String: [UInt8]], isFinal: Bool)?) {
        guard let entry = entries[key] else { return }
        switch (entry.content, new) {
        case (.missing, nil): return
        case (.there(let old), let new?) where old == new.content: return
        default: break
        }
        entries[key]?.content = new.map { .there($0.content) } ?? .missing
        entries[key]?.answered.open()
        changed(entry.users)
        // It never changes again: nobody needs to watch it.
        if new?.isFinal == true {
            entries[key]?.stop?.finish()
            entries[key]?.stop = nil
        }
    }
}
