import HTTP
import KubeAPI
import NIOHTTP1

/// How long the API server's answers about callers hold.
public struct ReviewLifetimes: Sendable, Hashable {
    /// Of a token that is somebody's.
    public var token: Duration = .seconds(120)
    /// Of a token that is nobody's.
    public var unknownToken: Duration = .seconds(10)
    /// Of a "may".
    public var allowed: Duration = .seconds(300)
    /// Of a "may not".
    public var denied: Duration = .seconds(30)

    public init() {}
}

/// Bearer tokens the API server knows, as those of service accounts (`TokenReview`).
struct TokenReviewAuthenticator: Authenticator {
    /// Longer than any token there is.
    private static let longest = 16 << 10
    private let cache: ReplyCache<String, Requester?>

    init(
        client: KubeClient, lifetimes: ReviewLifetimes = ReviewLifetimes(), deadline: Duration = .seconds(10),
        now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        cache = ReplyCache(now: now, lifetime: { $0 == nil ? lifetimes.unknownToken : lifetimes.token }) { token in
            try await withDeadline(deadline, "the API server did not say within \(deadline) whose a token is") {
                var review = TokenReview()
                review.spec.token = token
                let status = try await client.create(review, as: .tokenReviews).status
                guard status.authenticated, !status.user.username.isEmpty else { return nil }
                return Requester(
                    name: status.user.username, groups: status.user.groups, uid: status.user.uid,
                    extra: status.user.extra)
            }
        }
    }

    func requester(_ request: HTTPRequest) async throws -> Requester? {
        guard let token = BearerToken.of(request), token.utf8.count <= Self.longest else { return nil }
        return try await cache.reply(to: token)
    }
}

/// What the cluster lets a requester do with this node (`SubjectAccessReview`). Those who may do everything in every
/// cluster are not asked about, so that the API server gets in while it cannot be asked.
struct SubjectAccessAuthorizer: Authorizer {
    private struct Question: Hashable {
        var requester: Requester
        var verb: String
        var subresource: String
    }

    private let cache: ReplyCache<Question, Bool>

    init(
        client: KubeClient, nodeName: String, lifetimes: ReviewLifetimes = ReviewLifetimes(),
        deadline: Duration = .seconds(10), now: @escaping @Sendable () -> ContinuousClock.Instant = { .now }
    ) {
        cache = ReplyCache(now: now, lifetime: { $0 ? lifetimes.allowed : lifetimes.denied }) { question in
            try await withDeadline(
                deadline, "the API server did not say within \(deadline) what \(question.requester.name) may do"
            ) {
                var review = SubjectAccessReview()
                review.spec.user = question.requester.name
                review.spec.uid = question.requester.uid
                review.spec.groups = question.requester.groups
                review.spec.extra = question.requester.extra
                review.spec.resourceAttributes = ResourceAttributes {
                    $0.verb = question.verb
                    $0.version = "v1"
                    $0.resource = "nodes"
                    $0.subresource = question.subresource
                    $0.name = nodeName
                }
                let status = try await client.create(review, as: .subjectAccessReviews).status
                return status.allowed && !status.denied
            }
        }
    }

    func allows(_ requester: Requester, verb: String, subresources: [String]) async throws -> Bool {
        if AllowMasters().allows(requester, verb: verb, subresources: subresources) { return true }
        for subresource in subresources {
            let question = Question(requester: requester, verb: verb, subresource: subresource)
            if try await cache.reply(to: question) { return true }
        }
        return false
    }
}

/// The token of a request (RFC 6750).
enum BearerToken {
    static func of(_ request: HTTPRequest) -> String? {
        guard let header = request.headers.first(name: "authorization") else { return nil }
        let parts = header.split(separator: " ", maxSplits: 1)
        guard parts.count == 2, parts[0].lowercased() == "bearer" else { return nil }
        let token = parts[1].drop { $0 == " " }
        return token.isEmpty ? nil : String(token)
    }
}
