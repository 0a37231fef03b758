import HTTP
import KubeAPI
import NIOCore
import NIOHTTP1
import Synchronization

extension APIServerDouble {
    func answer(_ request: HTTPRequest) async throws -> HTTPResponse {
        let token = request.headers.first(name: "authorization").map { $0.replacing("Bearer ", with: "") }
        let user = state.withLock { state in token.flatMap { state.tokens[$0] } }
        let asked = Asked(user: user?.name ?? "", method: request.method.rawValue, target: request.target)
        let rules = state.withLock { state in
            state.asked.append(asked)
            return state.faults
        }
        // Outside of the lock: a rule may look at what the server has.
        let fault = rules.lazy.compactMap { $0(asked) }.first
        do {
            switch fault {
            case .refuse(let refusal): throw refusal
            case .silence:
                try await Task.sleep(for: .seconds(3600))
            case .hangUp:
                return HTTPResponse(.ok, body: .stream { _ in throw Refusal(500, "", "cut") })
            case nil: break
            }
            guard let user else { throw Refusal(401, "Unauthorized", "Unauthorized") }
            return try await answer(request, for: user)
        } catch let refusal as Refusal {
            var response = Self.json(refusal.status, HTTPResponseStatus(statusCode: Int(refusal.code)))
            if let seconds = refusal.retryAfter { response.headers.add(name: "Retry-After", value: "\(seconds)") }
            return response
        }
    }

    static func json(_ value: Value, _ status: HTTPResponseStatus = .ok) -> HTTPResponse {
        HTTPResponse(
            status, headers: ["content-type": "application/json"], body: .bytes(ByteBuffer(bytes: value.jsonBytes())))
    }

    private func answer(_ request: HTTPRequest, for user: User) async throws -> HTTPResponse {
        guard let path = ResourcePath(request.path) else {
            throw Refusal(404, "NotFound", "the server could not find the requested resource")
        }
        let isWatch = ["true", "1"].contains(request.queryValue("watch") ?? "")
        let selector = try Selector(
            fields: request.queryValue("fieldSelector") ?? "", labels: request.queryValue("labelSelector") ?? "",
            of: path.kind)
        try authorize(user, verb: Verb(request.method, path, isWatch: isWatch), path, selector)
        let content = try await body(request)
        if path.kind.plural == "nodes", [.POST, .PATCH].contains(request.method),
            case .object(let labels)? = content.at("metadata", "labels")?.kind
        {
            try refuseForeignLabels(user, labels.map(\.name), of: path.name ?? "")
        }
        if request.method == .POST { try admit(user, path, content) }
        switch (request.method, path.name) {
        case (.GET, nil) where isWatch: return try watch(path, selector, request)
        case (.GET, nil): return Self.json(try list(path, selector, request))
        case (.GET, let name?): return Self.json(try get(path, name))
        case (.POST, nil) where path.kind.isReview: return Self.json(try review(path, content), .created)
        case (_, _) where path.kind.isReview:
            throw Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        case (.POST, let name?) where path.kind.plural == "serviceaccounts" && path.subresource == "token":
            return Self.json(try token(path, name, content, for: user), .created)
        case (.POST, nil): return Self.json(try create(path, content), .created)
        case (.PUT, let name?): return Self.json(try replace(path, name, content))
        case (.PATCH, let name?):
            let type = request.headers.first(name: "content-type") ?? ""
            return Self.json(try patch(path, name, content, type: type))
        case (.DELETE, let name?): return Self.json(try delete(path, name, content))
        default:
            throw Refusal(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
        }
    }

    private func body(_ request: HTTPRequest) async throws -> Value {
        let buffer = try await request.body.collect(upTo: 3 << 20)
        let bytes = Array(buffer: buffer)
        if bytes.isEmpty { return Value(.object([])) }
        do {
            return try Documents.json(bytes)
        } catch {
            throw Refusal.bad("the body cannot be read: \(error)")
        }
    }

    // MARK: Reading

    func key(_ path: ResourcePath, _ name: String) throws -> Storage.Key {
        guard !path.kind.isNamespaced || path.namespace != nil else { throw Refusal.bad("a namespace is needed") }
        return Storage.Key(kind: path.kind, namespace: path.kind.isNamespaced ? path.namespace ?? "" : "", name: name)
    }

    func get(_ path: ResourcePath, _ name: String) throws -> Value {
        let key = try key(path, name)
        guard let value = state.withLock({ $0.storage.objects[key] }) else { throw Refusal.notFound(path.kind, name) }
        return value
    }

    private func list(_ path: ResourcePath, _ selector: Selector, _ request: HTTPRequest) throws -> Value {
        let limit = request.queryValue("limit").flatMap { Int($0) } ?? 0
        let from = request.queryValue("continue") ?? ""
        return try state.withLock { state in
            var version = state.storage.version
            var rest: [Value]
            if from.isEmpty {
                rest = state.storage.objects(of: path.kind, in: path.namespace).map(\.value).filter(selector.matches)
            } else {
                guard let page = state.pages.removeValue(forKey: from) else {
                    guard from.split(separator: ".").compactMap({ Int64($0) }).count == 2 else {
                        throw Refusal.bad("continue key is not valid")
                    }
                    throw Refusal.expired("The provided continue parameter is too old")
                }
                rest = page
                version = Int64(from.split(separator: ".").first ?? "") ?? version
            }
            var metadata = Value(.object([]))
            metadata.set("resourceVersion", to: "\(version)")
            var items = rest
            if limit > 0, rest.count > limit {
                items = Array(rest.prefix(limit))
                rest.removeFirst(limit)
                let token = "\(version).\(state.nextWaiter)"
                state.nextWaiter += 1
                state.pages[token] = rest
                metadata.set("continue", to: token)
                metadata.set("remainingItemCount", to: Int64(rest.count))
            }
            return Value(
                .object([
                    Member("kind", Value(.string(path.kind.kind + "List"))),
                    Member("apiVersion", Value(.string(path.kind.apiVersion))), Member("metadata", metadata),
                    Member(
                        "items",
                        Value(
                            .array(
                                items.map { item in
                                    var item = item
                                    item.set(["kind"], nil)
                                    item.set(["apiVersion"], nil)
                                    return item
                                }))),
                ]))
        }
    }

    // MARK: Watching

    private func watch(_ path: ResourcePath, _ selector: Selector, _ request: HTTPRequest) throws -> HTTPResponse {
        let version = request.queryValue("resourceVersion").flatMap { Int64($0) } ?? 0
        let seconds = request.queryValue("timeoutSeconds").flatMap { Int64($0) } ?? 1800
        let bookmarks = ["true", "1"].contains(request.queryValue("allowWatchBookmarks") ?? "")
        return HTTPResponse(
            .ok, headers: ["content-type": "application/json"],
            body: .stream { [self] writer in
                let (signals, signal) = AsyncStream<Void>.makeStream(bufferingPolicy: .bufferingNewest(1))
                let (id, generation) = state.withLock { state in
                    state.nextWaiter += 1
                    state.waiters[state.nextWaiter] = signal
                    return (state.nextWaiter, state.generation)
                }
                defer { state.withLock { _ = $0.waiters.removeValue(forKey: id) } }
                signal.yield()
                var watch = Watch(path: path, selector: selector, version: version, wantsInitial: version == 0)
                let end = ContinuousClock.now + .seconds(seconds)
                let ticker = Task { [bookmarkInterval] in
                    while !Task.isCancelled {
                        try await Task.sleep(for: bookmarkInterval)
                        signal.yield()
                    }
                }
                defer { ticker.cancel() }
                for await _ in signals {
                    let (lines, isEnded) = state.withLock { state in
                        (watch.lines(state.storage, bookmark: bookmarks), state.generation != generation)
                    }
                    if !lines.isEmpty { try await writer.write(ByteBuffer(bytes: lines.flatMap { $0 + [0x0A] })) }
                    state.withLock { $0.bookmarked = max($0.bookmarked, watch.bookmarked) }
                    if watch.isOver || isEnded || ContinuousClock.now > end { return }
                }
                throw Refusal(500, "", "the server stops")
            })
    }
}
