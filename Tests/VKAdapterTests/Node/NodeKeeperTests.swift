import APIServer
import Foundation
import KubeAPI
import Logging
import NIOPosix
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct NodeKeeperTests {
    private static func description() -> NodeDescription {
        var description = NodeDescription(name: "mac-1")
        description.labels = NodeDescription.standardLabels(name: "mac-1", os: "darwin", architecture: "arm64")
        description.taints = [Taint(key: NodeDescription.taintKey, value: "macos-vz", effect: "NoSchedule")]
        description.addresses = [NodeAddress("InternalIP", "192.0.2.7"), NodeAddress("Hostname", "mac-1")]
        description.capacity = ["cpu": "10", "memory": "64Gi", "vzcri.dev/vm": "2"]
        description.allocatable = description.capacity
        return description
    }

    private static func intervals() -> NodeKeeper.Intervals {
        var intervals = NodeKeeper.Intervals()
        intervals.lease = .milliseconds(50)
        intervals.retry = .milliseconds(20)
        return intervals
    }

    /// Runs a keeper with the rights of its node while `body` runs.
    private func keeping(
        _ server: APIServerDouble, intervals: NodeKeeper.Intervals = intervals(),
        _ body: (NodeKeeper) async throws -> Void
    ) async throws {
        var options = KubeClient.Options()
        options.timeout = .milliseconds(500)
        let client = KubeClient(
            server.connection(as: .node("mac-1")), options: options, group: MultiThreadedEventLoopGroup.singleton,
            logger: Logger(label: "test"))
        let keeper = NodeKeeper(
            Self.description(), client: client, intervals: intervals, logger: Logger(label: "test"))
        let task = Task { await keeper.run() }
        do {
            try await body(keeper)
        } catch {
            task.cancel()
            await client.shutdown()
            throw error
        }
        task.cancel()
        await task.value
        await client.shutdown()
    }

    private static func node(_ server: APIServerDouble) throws -> KubeAPI.Node? {
        try server.object("nodes", name: "mac-1").map { try KubeAPI.Node($0) }
    }

    private static func ready(_ server: APIServerDouble) throws -> NodeCondition? {
        try node(server)?.status.conditions.first { $0.type == .ready }
    }

    private static func renewals(_ server: APIServerDouble) -> Int {
        server.asked.filter { $0.method == "PUT" && $0.target.contains("/leases/mac-1") }.count
    }

    @Test func `a node joins with what it is and has, says when it can run pods, and stays alive`() async throws {
        try await APIServerDouble.with { server in
            try await keeping(server) { keeper in
                try await eventually("it is there") { try Self.ready(server)?.status == "False" }
                let node = try #require(try Self.node(server))
                #expect(node.metadata.labels["kubernetes.io/os"] == "darwin")
                #expect(node.metadata.labels["type"] == "virtual-kubelet")
                #expect(node.metadata.labels["kubernetes.io/role"] == nil, "no node may set it")
                #expect(node.spec.taints.map(\.effect) == ["NoSchedule"])
                #expect(node.status.capacity["vzcri.dev/vm"] == "2")
                #expect(node.status.daemonEndpoints.kubeletEndpoint.port == 10250)
                #expect(try Self.ready(server)?.message.contains("has not answered yet") == true)
                await keeper.update { $0.health.problems = [] }
                try await eventually("it is ready") { try Self.ready(server)?.reason == "KubeletReady" }
                try await eventually("its lease is renewed") { Self.renewals(server) >= 3 }
                let lease = try Lease(
                    try #require(server.object("leases", namespace: "kube-node-lease", name: "mac-1")))
                #expect(lease.spec.holderIdentity == "mac-1" && lease.spec.leaseDurationSeconds == 40)
                try await eventually("the lease goes with its node") {
                    let lease = server.object("leases", namespace: "kube-node-lease", name: "mac-1")
                    return lease?["metadata"]?["ownerReferences"]?.array?.first?["uid"]?.string == node.metadata.uid
                }
            }
        }
    }

    @Test func `only what changed is told, and what others wrote stays`() async throws {
        try await APIServerDouble.with { server in
            try await keeping(server) { keeper in
                await keeper.update { $0.health.problems = [] }
                try await eventually("it is ready") { try Self.ready(server)?.status == "True" }
                try await server.client { client async throws in
                    let foreign = try Documents.json(
                        Array(
                            #"{"status":{"conditions":[{"type":"NetworkUnavailable","status":"False","reason":"RouteCreated"}]}}"#
                                .utf8))
                    _ = try await client.patch(.nodes, name: "mac-1", subresource: "status", foreign)
                    let cordon = try Documents.json(Array(#"{"spec":{"unschedulable":true}}"#.utf8))
                    _ = try await client.patch(.nodes, name: "mac-1", cordon)
                }
                func patches() -> Int { server.asked.filter { $0.method == "PATCH" && $0.user != "admin" }.count }
                let before = patches()
                let renewed = Self.renewals(server)
                await keeper.update { $0.health.problems = [] }
                try await eventually("time goes by") { Self.renewals(server) >= renewed + 3 }
                #expect(patches() == before, "nothing is new")
                let transition = try Self.ready(server)?.lastTransitionTime
                await keeper.update {
                    $0.health.isShortOfDisk = true
                    $0.addresses = [NodeAddress("InternalIP", "192.0.2.8")]
                }
                try await eventually("it is told") {
                    try Self.node(server)?.status.conditions.first { $0.type == .diskPressure }?.status == "True"
                }
                let node = try #require(try Self.node(server))
                #expect(node.status.addresses.map(\.address) == ["192.0.2.8"])
                #expect(node.status.conditions.contains { $0.type == "NetworkUnavailable" })
                #expect(node.spec.unschedulable)
                #expect(try Self.ready(server)?.lastTransitionTime == transition)
            }
        }
    }

    @Test func `a node that was deleted is made again, and one that is there is taken over`() async throws {
        try await APIServerDouble.with { server in
            try await keeping(server) { keeper in
                await keeper.update { $0.health.problems = [] }
                try await eventually("it is there") { try Self.ready(server)?.status == "True" }
                let uid = try Self.node(server)?.metadata.uid
                server.remove("nodes", name: "mac-1")
                await keeper.update { $0.health.problems = ["the runtime is away"] }
                try await eventually("it is there again") { try Self.node(server) != nil }
                #expect(try Self.node(server)?.metadata.uid != uid)
            }
            let uid = try Self.node(server)?.metadata.uid
            try await keeping(server) { keeper in
                await keeper.update { $0.health.problems = [] }
                try await eventually("it is ready") { try Self.ready(server)?.status == "True" }
                #expect(try Self.node(server)?.metadata.uid == uid)
            }
        }
    }

    @Test func `a server that is away or silent for a while is told everything once it is back`() async throws {
        try await APIServerDouble.with { server in
            try await keeping(server) { keeper in
                try await eventually("it is there") { try Self.node(server) != nil }
                await server.stop()
                await keeper.update { $0.health.problems = [] }
                try await server.start()
                try await eventually("it is ready") { try Self.ready(server)?.status == "True" }
                server.fault { _ in .silence }
                await keeper.update { $0.health.problems = ["away"] }
                try await Task.sleep(for: .milliseconds(700))
                server.clearFaults()
                try await eventually("it is told") { try Self.ready(server)?.message == "away" }
                let renewed = Self.renewals(server)
                try await eventually("the lease is renewed") { Self.renewals(server) > renewed + 1 }
            }
        }
    }
}
