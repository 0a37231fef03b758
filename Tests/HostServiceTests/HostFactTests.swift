import HostFiles
import Proto
import RPC
import Support
import Testing

@testable import CRIShim
@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct HostFactTests {
    @Test func `a host says what it is, how many machines it takes, and where logs are`() async throws {
        try await HostServer.with { server async throws in
            let info = try await server.client.call(HostAPI.HostService.hostInfo, .init(), timeout: .seconds(20))
            let facts = HostFacts.current()
            #expect(info.operatingSystem == facts.operatingSystem && info.architecture == facts.architecture)
            #expect(info.cpuCount == facts.cpuCount && info.memoryBytes == facts.memoryBytes)
            #expect(info.hostname == facts.hostname && info.bootId == facts.bootID && !info.kernelVersion.isEmpty)
            #expect(info.podLogDirectory == server.logs)
            #expect(info.slots.map(\.guestOs) == ["linux", "macos"])
            #expect(info.slots[0].total > 0 && info.slots[0].used == 0)
        }
    }

    @Test func `what a host has left is told again and again`() async throws {
        try await HostServer.with { server async throws in
            let request = HostAPI.WatchHostStatsRequest { $0.intervalSeconds = 1 }
            var seen: [HostAPI.HostStats] = []
            for try await stats in try server.client.stream(HostAPI.HostService.watchHostStats, request) {
                seen.append(stats)
                if seen.count == 2 { break }
            }
            #expect(seen[0].memoryAvailableBytes > 0 && seen[0].memoryWorkingSetBytes > 0)
            #expect(seen[1].cpuUsageCoreNanoSeconds >= seen[0].cpuUsageCoreNanoSeconds)
            #expect(seen[1].timestamp > seen[0].timestamp)
            let disk = try #require(seen[0].fileSystems.first { $0.name == "nodefs" })
            #expect(disk.capacityBytes > disk.availableBytes && disk.inodes >= disk.inodesFree)
        }
    }

    @Test func `guests are told of as they are, then as they change, then as they end`() async throws {
        try await HostServer.with { server async throws in
            let guests = server.shim.machines.guests
            guests.note("one", sandbox: "s", isReachable: true, address: "192.0.2.7")
            var all: [HostAPI.GuestState] = []
            for try await guest in try server.client.stream(HostAPI.HostService.watchGuests, .init()) {
                all.append(guest)
                switch all.count {
                case 2: guests.note("two", sandbox: "s", isReachable: false, address: "")
                case 3: guests.note("two", sandbox: "s", isReachable: true, address: "192.0.2.8")
                case 4: guests.forget("one")
                default: break
                }
                if all.count == 5 { break }
            }
            #expect(all.map(\.containerId) == ["one", "", "two", "two", "one"])
            #expect(all.map(\.reachable) == [true, false, false, true, false])
            #expect(all[0].address == "192.0.2.7" && all[0].podSandboxId == "s" && all[3].address == "192.0.2.8")
        }
    }

    @Test func `pulls are told of while they go on, and how they end`() async throws {
        try await HostServer.with { server async throws in
            let board = server.shim.pulls
            try await board.showing("old") { _ in }
            try await withThrowingTaskGroup(of: Void.self) { group in
                let (steps, step) = AsyncStream.makeStream(of: Void.self)
                group.addTask {
                    var iterator = steps.makeAsyncIterator()
                    do {
                        try await board.showing("new") { id in
                            await iterator.next()
                            board.note(id, part: "a", done: 10, total: 100)
                            board.note(id, part: "b", done: 20, total: 50)
                            board.note(id, part: "a", done: 30, total: 100)
                            await iterator.next()
                            throw ShimError(.denied, "no entry")
                        }
                    } catch is ShimError {}
                }
                try await eventually("the pull is shown") { board.all.count == 2 }
                var seen: [HostAPI.PullProgress] = []
                for try await pull in try server.client.stream(HostAPI.HostService.watchPulls, .init()) {
                    seen.append(pull)
                    if pull.finished { break }
                    if pull.bytesTotal == 0 || pull.bytesDone == 50 { step.yield() }
                }
                let last = try #require(seen.last)
                #expect(seen.allSatisfy { $0.image == "new" } && !seen[0].finished && seen[0].bytesDone == 0)
                #expect(last.bytesDone == 50 && last.bytesTotal == 150 && last.error.contains("no entry"))
            }
        }
    }

    @Test func `two nodes on one host do not see each other's pods`() async throws {
        try await HostServer.with { server async throws in
            let (one, two) = (
                RemoteVolumeHost(host: server.host("one")), RemoteVolumeHost(host: server.host("two"))
            )
            let path = try await one.sync(pod: "u", volume: "v", .empty())
            #expect(try await two.podsWithData().isEmpty)
            try await two.removePod(uid: "u")
            #expect(try SystemFiles.status(path) != nil)
            #expect(try await one.podsWithData() == ["u"])
            for name in ["", "..", "../nodes/one", "a/b"] {
                let host = RemoteVolumeHost(host: server.host(name))
                let error = await #expect(throws: AdapterError.self) { try await host.podsWithData() }
                #expect(error?.code == .invalidArgument)
            }
        }
    }
}
