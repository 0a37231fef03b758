import APIServer
import KubeAPI
import NIOConcurrencyHelpers
import Support
import Testing

@testable import VKAdapter

/// Many pods come, are edited, crash and go, while the API server restarts and the network is gone for a while.
@Suite(.timeLimit(.minutes(45))) struct AdapterSoakTests {
    private let numbers = SoakNumbers()
    private let lag = StatusLag()

    @Test func `whatever happens to many pods, in the end each is what it should be and nothing is left over`()
        async throws
    {
        var random = Faults.random("adapter soak")
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                let cable = Cable(to: server.connection().server.port)
                let port = try await cable.start()
                try await server.client { admin async throws in
                    var pods = SoakPods(server, admin, node.runtime)
                    try pods.putObjects()
                    node.runtime.edit { [lag] in $0.observer = { lag.happened($0) } }
                    server.observe { [lag] seen in
                        if seen.plural == "pods", let pod = seen.object { lag.told(pod) }
                    }
                    try await running(node, server, at: port) {
                        try await soak(&pods, node, server, cable, &random)
                    }
                    try await eventually("the adapter hung up everywhere") {
                        cable.connections == 0 && server.watches == 0
                            && node.runtime.edit { $0.listeners.isEmpty }
                    }
                }
                await cable.stop()
            }
        }
        for phase in lag.phases where !phase.lags.isEmpty { print("adapter soak: \(phase)") }
        guard numbers.isLong else { return }
        #expect(lag.phase(Self.arrivals).percentile(0.99) < .seconds(1))
        #expect(lag.phase(Self.edits).percentile(0.99) < .seconds(1))
    }

    private static let arrivals = "pods come"
    private static let edits = "pods are edited and crash"
    private static let outage = "the API server or the network is away"

    private func running(
        _ node: VKAdapterTests.Node, _ server: APIServerDouble, at port: Int, _ body: () async throws -> Void
    ) async throws {
        try await node.runtime.serve(node.socket) { endpoint in
            var configuration = node.configuration
            configuration.podManifestPath = nil
            var connection = server.connection(as: .node("n"))
            connection.server.port = port
            configuration.cluster = connection
            configuration.leaseInterval = numbers.leaseInterval
            configuration.maximumPods = 2 * numbers.pods
            try await node.adapter(endpoint, configuration: configuration) { _ in try await body() }
        }
    }

    private func soak(
        _ pods: inout SoakPods, _ node: VKAdapterTests.Node, _ server: APIServerDouble, _ cable: Cable,
        _ random: inout SeededRandom
    ) async throws {
        print("adapter soak: \(numbers.pods) pods, \(numbers.edits) edits, \(numbers.silence) of silence")
        lag.begin(Self.arrivals)
        let clock = ContinuousClock.now
        for number in 0..<numbers.pods {
            try await pods.create(&random)
            try await Task.sleep(
                until: clock + .seconds(Double(number + 1) / Double(numbers.podsPerSecond)), clock: .continuous)
        }
        try await settle("all pods run", &pods, node)
        var uses: [ProcessUse] = []
        for round in 0..<3 {
            try await edit(numbers.edits / 3, &pods, server, &random)
            // What is done meanwhile is done at the API server: nobody here hears of it.
            lag.begin(Self.outage, disturbed: true)
            cable.silence()
            let end = ContinuousClock.now + (round == 0 ? numbers.silence : numbers.silence / 4)
            while ContinuousClock.now < end {
                try await pods.edit(&random)
                try await Task.sleep(for: numbers.isLong ? .seconds(1) : .milliseconds(200))
            }
            let restored = ContinuousClock.now
            // Within a second no renewal of the lease need have met the silence: only a watch that hears nothing for minutes
            // would tell of lost connections then, and short runs have no minutes.
            cable.restore(lost: round == 0 || numbers.isLong)
            try await settle("all is right after the silence", &pods, node)
            print("adapter soak: all was right \(restored.duration(to: .now)) after the silence")
            // What the double and the log remember of the round is not the adapter's.
            server.forgetAsked()
            server.compact()
            node.log.withLockedValue { $0 = [] }
            let use = ProcessUse.now()
            let connections = cable.connections
            print("adapter soak: \(use), \(connections) connections, \(server.watches) watches")
            // Each has two ends here, and two in the cable.
            uses.append(ProcessUse(files: use.files - 4 * connections, threads: use.threads, memory: use.memory))
        }
        let listeners = node.runtime.edit { $0.listeners.count }
        #expect(listeners == 1)
        if numbers.isLong {
            // From the second round on: before, allocator and servers come to their size.
            #expect(uses[2].files <= uses[1].files + 16)
            #expect(uses[2].threads <= uses[1].threads + 4)
            #expect(uses[2].memory <= uses[1].memory + max(16, uses[1].memory / 10))
        }
        try await pods.deleteAll()
        try await settle("nothing is left of all pods", &pods, node)
    }

    private func edit(
        _ count: Int, _ pods: inout SoakPods, _ server: APIServerDouble, _ random: inout SeededRandom
    ) async throws {
        lag.begin(Self.edits)
        for number in 1...count {
            try await pods.edit(&random)
            try await Task.sleep(for: numbers.pause)
            guard number % numbers.restartEvery == 0 else { continue }
            lag.begin(Self.outage, disturbed: true)
            await server.stop()
            for _ in 0..<3 { try await pods.edit(&random) }
            try await Task.sleep(for: .milliseconds(Int.random(in: 1...500, using: &random)))
            try await server.start()
            if Bool.random(using: &random) { server.compact() }
            if numbers.isLong { try await Task.sleep(for: .seconds(2)) }
            lag.begin(Self.edits)
        }
    }

    private func settle(_ what: Comment, _ pods: inout SoakPods, _ node: VKAdapterTests.Node) async throws {
        let end = ContinuousClock.now + numbers.patience
        var problems: [String] = []
        repeat {
            try await pods.createLate()
            problems = try pods.problems(on: node)
            if problems.isEmpty { return }
            try await Task.sleep(for: .milliseconds(numbers.isLong ? 250 : 50))
        } while ContinuousClock.now < end
        Issue.record(
            "\(what): \(problems.count) problems: \(problems.prefix(numbers.isLong ? 20 : 5).joined(separator: "; "))")
    }
}
