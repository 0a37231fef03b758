import Docker
import Foundation
import NIOCore
import Support
import Testing

extension EngineTests {
    @Suite("Containers")
    struct Lifecycle {
        @Test("the engine says what it is")
        func facts() async throws {
            let client = try await TestEngine.client()
            try await client.ping()
            #expect(try await client.version().apiVersion.hasPrefix("1."))
            let info = try await client.info()
            #expect(info.dockerRootDir?.isEmpty == false && (info.ncpu ?? 0) > 0)
            await client.close()
        }

        @Test("a container is made, started, seen, stopped and removed")
        func lifecycle() async throws {
            let client = try await TestEngine.client()
            let name = TestEngine.name()
            var request = ContainerCreateRequest(image: DockerEngine.image)
            request.cmd = ["sh", "-c", "trap 'exit 7' TERM; while :; do sleep 0.05; done"]
            request.labels = ["vzcri.Test": name]
            request.env = ["A=ü b"]
            request.hostname = "node-1"
            request.exposedPorts = ["80/tcp"]
            request.hostConfig.portBindings = ["80/tcp": []]
            request.hostConfig.memory = 64 << 20
            request.hostConfig.dns = ["10.9.8.7"]
            let id = try await client.createContainer(name: name, request)
            await #expect(throws: DockerError.self) { try await client.createContainer(name: name, request) }

            var inspect = try await client.inspectContainer(id)
            #expect(inspect.id == id && inspect.name == "/" + name)
            #expect(inspect.state.status == "created" && !inspect.state.running)
            #expect(inspect.config?.labels?["vzcri.Test"] == name)
            #expect(inspect.config?.env?.contains("A=ü b") == true && inspect.config?.hostname == "node-1")
            #expect(inspect.hostConfig?.memory == 64 << 20 && inspect.hostConfig?.dns == ["10.9.8.7"])

            try await client.startContainer(id)
            try await client.startContainer(name)
            inspect = try await client.inspectContainer(name)
            #expect(inspect.state.running && inspect.state.pid > 0)
            #expect(inspect.networkSettings?.networks?.values.contains { $0.ipAddress?.isEmpty == false } == true)
            let listed = try await client.listContainers(all: false, labels: ["vzcri.Test=\(name)"])
            #expect(listed.map(\.id) == [id] && listed.first?.state == "running" && listed.first?.names == ["/" + name])
            #expect(try await client.listContainers(all: true, filters: ["id": [id], "status": ["exited"]]).isEmpty)

            var update = ContainerUpdate()
            update.memory = 96 << 20
            update.memorySwap = 96 << 20
            try await client.updateContainer(id, update)
            let memory = try await client.inspectContainer(id).hostConfig?.memory
            #expect(memory == 96 << 20)

            try await client.stopContainer(id, timeout: .seconds(20))
            inspect = try await client.inspectContainer(id)
            #expect(!inspect.state.running && inspect.state.exitCode == 7)
            #expect(await TestEngine.code { try await client.stopContainer(id, timeout: .seconds(1)) } == .notModified)
            #expect(await TestEngine.code { try await client.killContainer(id, signal: "SIGKILL") } == .conflict)

            try await client.removeContainer(id, force: false, volumes: true)
            #expect(await TestEngine.code { try await client.inspectContainer(id) } == .notFound)
            #expect(
                await TestEngine.code { try await client.removeContainer(id, force: true, volumes: true) } == .notFound)
            await client.close()
        }

        @Test("a wait ends with the container, or when its time is over")
        func wait() async throws {
            try await TestEngine.withContainer(["sleep", "600"]) { client, id in
                let code = await TestEngine.code {
                    try await client.waitContainer(id, untilNotRunningWithin: .milliseconds(300))
                }
                #expect(code == .unavailable)
                #expect(
                    await TestEngine.code { try await client.removeContainer(id, force: false, volumes: true) }
                        == .conflict)
                try await client.killContainer(id, signal: "SIGKILL")
                let killed = try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                #expect(killed == 137)
            }
        }

        @Test("a program that is not there is told of, then and later")
        func startFailure() async throws {
            try await TestEngine.withContainer(["/no/such/program"], start: false) { client, id in
                let error = await TestEngine.failure { try await client.startContainer(id) }
                #expect(error?.message.contains("exec") == true)
                let noted = try await client.inspectContainer(id).state.error
                #expect(noted.contains("exec"))
            }
        }

        @Test("an image that is not here is not found")
        func noImage() async throws {
            let client = try await TestEngine.client()
            let request = ContainerCreateRequest(image: "vzcri-test/none:1")
            #expect(
                await TestEngine.code { try await client.createContainer(name: TestEngine.name(), request) }
                    == .notFound)
            await client.close()
        }

        @Test("events tell of a container's life in order")
        func events() async throws {
            try await TestEngine.withContainer(["sh", "-c", "exit 3"], start: false) { client, id in
                let events = try await client.events(filters: ["type": ["container"], "container": [id]])
                try await client.startContainer(id)
                var actions: [String] = []
                for try await event in events {
                    #expect(event.actor.id == id && event.type == "container" && (event.timeNano ?? 0) > 0)
                    actions.append(event.action)
                    if event.action == "die" {
                        #expect(event.exitCode == 3)
                        break
                    }
                }
                #expect(actions == ["start", "die"])
            }
        }

        @Test("events of a time that is over come, and then their end")
        func pastEvents() async throws {
            try await TestEngine.withContainer(["true"]) { client, id in
                try await client.waitContainer(id, untilNotRunningWithin: .seconds(30))
                try await eventually("the end is among the events") {
                    var actions: [String] = []
                    let now = Int64(Date().timeIntervalSince1970 * 1e9)
                    for try await event in try await client.events(filters: ["container": [id]], since: 1, until: now) {
                        actions.append(event.action)
                    }
                    return actions.starts(with: ["create", "start"]) && actions.contains("die")
                }
            }
        }
    }
}
