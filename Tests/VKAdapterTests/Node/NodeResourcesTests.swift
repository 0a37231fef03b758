import APIServer
import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct NodeResourcesTests {
    @Test("pods may take what is not reserved, as a kubelet counts it")
    func allocatable() throws {
        var reserve = NodeResources.Reserve()
        reserve.kube = try NodeResources.Reserve.parse(["cpu=200m", "memory=1Gi"], "kubeReserved")
        reserve.system = try NodeResources.Reserve.parse(["cpu=300m", "pid=1000"], "systemReserved")
        reserve.thresholds = try EvictionThreshold.parse(
            .init(hard: ["memory.available<100Mi", "nodefs.available<10%"]))
        let node = NodeResources(
            capacity: [
                "cpu": "4", "memory": Quantity(bytes: 16_374_824 << 10), "pods": "110", "vzcri.dev/vm": "2",
                "ephemeral-storage": Quantity(bytes: 1000 << 20),
            ], reserve: reserve)
        func texts(_ amounts: [String: Quantity]) -> [String: String] { amounts.mapValues(\.text) }
        #expect(texts(node.capacity)["memory"] == "16374824Ki")
        #expect(
            texts(node.allocatable) == [
                "cpu": "3500m", "memory": "15223848Ki", "pods": "110", "vzcri.dev/vm": "2",
                "ephemeral-storage": "900Mi",
            ])
        node.set("cpu", "1")
        #expect(texts(node.allocatable)["cpu"] == "500m")
        node.set("memory", "1Gi")
        #expect(texts(node.allocatable)["memory"] == "0", "never less than nothing")
        node.set("vzcri.dev/vm", nil)
        #expect(node.allocatable["vzcri.dev/vm"] == nil)
    }

    @Test(
        "bytes are written as Kubernetes writes them",
        arguments: [
            (0, "0"), (1023, "1023"), (1024, "1Ki"), (1536 << 10, "1536Ki"), (16 << 30, "16Gi"),
            (Int64.max, "9223372036854775807"),
        ] as [(Int64, String)])
    func bytes(amount: Int64, text: String) {
        #expect(Quantity(bytes: amount).text == text && Quantity(bytes: amount).value == amount)
    }

    @Test(
        "what cannot be reserved is refused",
        arguments: [
            ["cpu"], ["cpu=x"], ["gpu=1"], ["cpu=-1"], ["cpu=1", "cpu=2"], ["=1"], ["cpu=1=2"], [""],
        ])
    func refused(texts: [String]) {
        let error = #expect(throws: AdapterError.self) { try NodeResources.Reserve.parse(texts, "kubeReserved") }
        #expect(error?.message.hasPrefix("kubeReserved: ") == true)
    }

    @Test("containers share what their engine has, where that is another machine")
    func pool() {
        let pool = ContainerPool()
        func pod(_ name: String, _ cpu: Quantity) -> Pod {
            AdmissionTests.pod(["cpu": cpu]) { $0.metadata.uid = name }
        }
        #expect(pool.enter(pod("a", "100")) == nil, "the engine is the host's")
        pool.leave("a")
        pool.resize(["cpu": "4", "memory": "8Gi"])
        #expect(pool.enter(pod("b", "3")) == nil)
        #expect(pool.enter(pod("b", "3")) == nil, "asked again, it has it")
        #expect(
            pool.enter(pod("c", "2"))?.message
                == "Node didn't have enough resource: cpu, requested: 2000, used: 3000, capacity: 4000")
        pool.found(pod("d", "1"))
        #expect(pool.enter(pod("e", "1"))?.reason == "OutOfcpu")
        pool.leave("b")
        #expect(pool.enter(pod("c", "2")) == nil)
    }

    @Test("what the host has, and what is wrong with it, is the node's while it runs, and pods are admitted by it")
    func follows() async throws {
        try await APIServerDouble.with { server in
            try await VKAdapterTests.Node.with { node in
                node.runtime.edit {
                    $0.host = .init {
                        $0.operatingSystem = "darwin"
                        $0.cpuCount = 8
                        $0.memoryBytes = 16_374_824 << 10
                        $0.slots = [
                            .init {
                                $0.guestOs = "macos"
                                $0.total = 2
                            }
                        ]
                        $0.containerPool = .init {
                            $0.cpuCount = 2
                            $0.memoryBytes = 4 << 30
                        }
                        $0.conditions = [
                            .init {
                                $0.type = "VMSlotsReady"
                                $0.status = true
                                $0.reason = "AllSlots"
                            }
                        ]
                    }
                    $0.machines = ["vm:1"]
                    $0.images.insert("vm:1")
                }
                func object() throws -> KubeAPI.Node? {
                    try server.object("nodes", name: "n").map { try KubeAPI.Node($0) }
                }
                func condition() throws -> NodeCondition? {
                    try object()?.status.conditions.first { $0.type.rawValue == "VMSlotsReady" }
                }
                func create(_ name: String, image: String, cpu: Quantity) async throws {
                    let pod = Pod {
                        $0.metadata.name = name
                        $0.metadata.namespace = "default"
                        $0.spec.nodeName = "n"
                        $0.spec.containers = [
                            Container {
                                $0.name = "main"
                                $0.image = image
                                $0.resources.requests = ["cpu": cpu]
                            }
                        ]
                    }
                    _ = try await server.client { client async throws in
                        try await client.create(pod, as: .pods, namespace: "default")
                    }
                }
                func status(_ name: String) throws -> PodStatus? {
                    try server.object("pods", namespace: "default", name: name).map { try Pod($0).status }
                }
                var configuration = node.configuration
                configuration.podManifestPath = nil
                configuration.cluster = server.connection(as: .node("n"))
                configuration.hostInterval = .milliseconds(100)
                configuration.kubeReserved = ["cpu=500m"]
                try await node.runtime.serve(node.socket) { endpoint in
                    try await node.adapter(endpoint, configuration: configuration) { _ in
                        try await eventually("the node has what the host has") {
                            try object()?.status.capacity["cpu"] == "8"
                                && object()?.status.allocatable["cpu"] == "7500m"
                                && object()?.status.capacity["memory"]?.text == "16374824Ki"
                                && object()?.status.capacity["vzcri.dev/vm"] == "2" && condition()?.status == "True"
                        }
                        #expect(try object()?.status.capacity["ephemeral-storage"] != nil)
                        try await eventually("what the runtime cannot is said") {
                            try object()?.status.features?.supplementalGroupsPolicy == false
                        }
                        // A machine has the host, containers have their engine.
                        try await create("machine", image: "vm:1", cpu: "5")
                        try await create("small", image: "busybox:1", cpu: "1")
                        try await eventually("both run") {
                            try status("machine")?.phase == .running && status("small")?.phase == .running
                        }
                        try await create("large", image: "busybox:1", cpu: "1500m")
                        try await eventually("there is too little for it") { try status("large")?.reason == "OutOfcpu" }
                        #expect(
                            try status("large")?.message == "Pod was rejected: Node didn't have enough resource: cpu, "
                                + "requested: 1500, used: 1000, capacity: 2000")
                        node.runtime.edit {
                            $0.host?.cpuCount = 6
                            $0.host?.slots[0].leaked = 1
                            $0.host?.conditions[0].status = false
                            $0.host?.conditions[0].reason = "SlotsLeaked"
                            $0.host?.conditions[0].message = "one is lost"
                        }
                        try await eventually("the node has less") {
                            try object()?.status.allocatable["cpu"] == "5500m"
                                && object()?.status.allocatable["vzcri.dev/vm"] == "1"
                                && condition()?.status == "False" && condition()?.message == "one is lost"
                        }
                        try await create("late", image: "vm:1", cpu: "1")
                        try await eventually("and admits by that") { try status("late")?.reason == "OutOfcpu" }
                        try await eventually("and says so") {
                            try server.events().contains {
                                $0.involvedObject.name == "n" && $0.reason == "SlotsLeaked"
                                    && $0.message == "one is lost"
                                    && $0.type == "Warning"
                            }
                        }
                    }
                }
            }
        }
    }
}
