import APIServer
import KubeAPI
import Support

@testable import VKAdapter

/// The pods somebody wants in a cluster and does things to, and what would be wrong if the adapter had missed one of them.
struct SoakPods: Sendable {
    /// One that is wanted; `uid` is `nil` until the API server takes it.
    struct Wanted: Sendable {
        var pod: Pod
        var uid: String?
    }

    let server: APIServerDouble
    let client: KubeClient
    let runtime: FakeRuntime
    private(set) var wanted: [String: Wanted] = [:]
    private var made = 0

    init(_ server: APIServerDouble, _ client: KubeClient, _ runtime: FakeRuntime) {
        (self.server, self.client, self.runtime) = (server, client, runtime)
    }

    // MARK: What pods are made of

    static let maps = 12
    static let secrets = 4

    /// What some of the pods use.
    func putObjects() throws {
        func put(_ plural: String, _ text: String) throws { server.put(try Value(json: Array(text.utf8)), as: plural) }
        for number in 0..<Self.maps {
            try put(
                "configmaps",
                #"{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"map-\#(number)","namespace":"default"},"data":{"KEY":"\#(number)"}}"#
            )
        }
        for number in 0..<Self.secrets {
            try put(
                "secrets",
                #"{"kind":"Secret","apiVersion":"v1","metadata":{"name":"secret-\#(number)","namespace":"default"},"data":{"KEY":"aGlkZGVu"}}"#
            )
        }
        try put(
            "serviceaccounts",
            #"{"kind":"ServiceAccount","apiVersion":"v1","metadata":{"name":"default","namespace":"default"}}"#)
    }

    private func pod(_ name: String, _ random: inout SeededRandom) throws -> Pod {
        let map = Int.random(in: 0..<Self.maps, using: &random)
        let secret = Int.random(in: 0..<Self.secrets, using: &random)
        let policy = ["Always", "Always", "Always", "OnFailure", "Never"].randomElement(using: &random)!
        let volumes = [
            #"{"name":"map","configMap":{"name":"map-\#(map)"}}"#,
            #"{"name":"secret","secret":{"secretName":"secret-\#(secret)"}}"#,
            #"{"name":"scratch","emptyDir":{}}"#,
            #"{"name":"token","projected":{"sources":[{"serviceAccountToken":{"path":"token","expirationSeconds":3600}}]}}"#,
        ].filter { _ in Int.random(in: 0..<3, using: &random) == 0 }
        let names = volumes.map { $0.split(separator: "\"")[3] }
        let mounts = names.map { #"{"name":"\#($0)","mountPath":"/mnt/\#($0)"}"# }
        let variable =
            Bool.random(using: &random)
            ? #"{"name":"KEY","valueFrom":{"configMapKeyRef":{"name":"map-\#(map)","key":"KEY"}}}"# : ""
        let text = """
            {"kind":"Pod","apiVersion":"v1","metadata":{"name":"\(name)","namespace":"default","labels":{"app":"soak"}},
            "spec":{"nodeName":"n","serviceAccountName":"default","restartPolicy":"\(policy)",
            "terminationGracePeriodSeconds":\([0, 1, 5, 30].randomElement(using: &random)!),
            "containers":[{"name":"\(name)","image":"busybox:1","env":[\(variable)],
            "volumeMounts":[\(mounts.joined(separator: ","))]}],
            "volumes":[\(volumes.joined(separator: ","))]}}
            """
        return try Pod(try Documents.json(Array(text.utf8)))
    }

    // MARK: What is done to them

    mutating func create(_ random: inout SeededRandom) async throws {
        made += 1
        let name = "p\(made)"
        wanted[name] = Wanted(pod: try pod(name, &random))
        try await create(name)
    }

    /// Makes it, unless another of its name is still there, or the API server is not.
    private mutating func create(_ name: String) async throws {
        guard let pod = wanted[name]?.pod, wanted[name]?.uid == nil else { return }
        guard
            let made = try await unlessAway({ [client] in
                try await client.create(pod, as: .pods, namespace: "default")
            })
        else { return }
        wanted[name]?.uid = made.metadata.uid
    }

    /// Makes those that could not be made before.
    mutating func createLate() async throws {
        for (name, one) in wanted where one.uid == nil { try await create(name) }
    }

    /// - Returns: `nil` when it was not done: the API server is away, or has another of that name.
    private func unlessAway<R: Sendable>(_ work: @Sendable () async throws -> R) async throws -> R? {
        do {
            return try await work()
        } catch let error as KubeAPIError where error.code == .unavailable || error.isAlreadyThere || error.isNotFound {
            return nil
        }
    }

    /// Something happens to one of the pods, or in one.
    mutating func edit(_ random: inout SeededRandom) async throws {
        try await createLate()
        let there = wanted.filter { $0.value.uid != nil }.keys.sorted()
        guard let name = there.randomElement(using: &random), let uid = wanted[name]?.uid else { return }
        let number = Int.random(in: 0..<1000, using: &random)
        switch Int.random(in: 0..<12, using: &random) {
        case 0: try await patch(name, #"{"metadata":{"labels":{"l\#(number % 5)":"v\#(number)"}}}"#)
        case 1: try await patch(name, #"{"metadata":{"annotations":{"example.dev/a\#(number % 5)":"v\#(number)"}}}"#)
        case 2, 3:
            let image = number % 2 == 0 ? "busybox:1" : "pulled:1"
            try await patch(name, #"{"spec":{"containers":[{"name":"\#(name)","image":"\#(image)"}]}}"#)
        case 4:
            // A strategic patch replaces the list: it is given whole.
            try await patch(
                name, #"{"spec":{"tolerations":[{"key":"k\#(number)","operator":"Exists","effect":"NoExecute"}]}}"#)
        case 5:
            try await delete(name, grace: [nil, 1, 2, 30].randomElement(using: &random)!)
            // Twice, with less time.
            if wanted[name] == nil, number % 3 == 0 { try await delete(name, grace: 1) }
            try await create(&random)
        case 6:
            try await delete(name, grace: 0)
            try await create(&random)
        case 7, 8:
            let grace: Int64? = [0, 0, nil, 1].randomElement(using: &random)!
            let pod = try pod(name, &random)
            try await delete(name, grace: grace)
            guard wanted[name] == nil else { return }
            wanted[name] = Wanted(pod: pod)
            try await create(name)
        case 9: runtime.killSandboxes(ofPod: uid)
        default: runtime.exit(name, Int32([0, 1, 137].randomElement(using: &random)!))
        }
    }

    private func patch(_ name: String, _ text: String) async throws {
        let patch = try Value(json: Array(text.utf8))
        _ = try await unlessAway { [client] in
            try await client.patch(.pods, namespace: "default", name: name, patch)
        }
    }

    private mutating func delete(_ name: String, grace: Int64?) async throws {
        let uid = wanted[name]?.uid
        let isDone: Void? = try await unlessAway { [client] in
            try await client.delete(.pods, namespace: "default", name: name, grace: grace, uid: uid)
        }
        if isDone != nil { wanted[name] = nil }
    }

    mutating func deleteAll() async throws {
        for name in wanted.keys.sorted() { try await delete(name, grace: nil) }
    }
}
