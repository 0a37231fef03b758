import Logging
import Testing

@testable import VZEngine

@Suite("Which address counts")
struct AddressChoiceTests {
    private func see(
        _ choice: inout AddressChoice, _ address: String, _ evidence: AddressSighting.Evidence, at seconds: Int64
    ) -> String? {
        choice.handle(.init(.init(address)!, evidence), at: .seconds(seconds)).map { "\($0)" }
    }

    @Test func `the first that was seen now counts, not what was noted before`() {
        var choice = AddressChoice()
        #expect(see(&choice, "192.0.2.1", .remembered, at: 0) == nil)
        #expect(see(&choice, "192.0.2.2", .spoken, at: 3) == "192.0.2.2")
        #expect(choice.settle() == nil)
    }

    @Test func `when nothing newer comes the memory counts, and what comes then corrects it`() {
        var choice = AddressChoice()
        #expect(see(&choice, "192.0.2.1", .remembered, at: 0) == nil)
        #expect(choice.settle().map { "\($0)" } == "192.0.2.1")
        #expect(see(&choice, "192.0.2.2", .leased, at: 20) == "192.0.2.2")
    }

    @Test func `an address of the link alone is none`() {
        var choice = AddressChoice()
        for evidence: AddressSighting.Evidence in [.remembered, .spoken, .announced, .leased] {
            #expect(see(&choice, "169.254.3.4", evidence, at: 30) == nil)
        }
        #expect(see(&choice, "192.0.2.2", .spoken, at: 31) == "192.0.2.2")
    }

    @Test func `a server's change is followed at once`() {
        var choice = AddressChoice()
        #expect(see(&choice, "192.0.2.1", .leased, at: 1) == "192.0.2.1")
        #expect(see(&choice, "192.0.2.1", .leased, at: 1800) == nil)
        #expect(see(&choice, "192.0.2.7", .leased, at: 3600) == "192.0.2.7")
    }

    @Test func `a guest with networks of its own keeps the address that the server gave it`() {
        var choice = AddressChoice()
        _ = see(&choice, "192.0.2.1", .leased, at: 1)
        for second in Int64(2)..<60 {
            #expect(see(&choice, "172.17.0.2", .spoken, at: second) == nil)
            #expect(see(&choice, "172.17.0.1", .announced, at: second) == nil)
        }
    }

    @Test func `a fixed address that is changed by hand is followed when the old one is silent`() {
        var choice = AddressChoice()
        _ = see(&choice, "192.0.2.1", .spoken, at: 1)
        #expect(see(&choice, "192.0.2.9", .spoken, at: 10) == nil)
        #expect(see(&choice, "192.0.2.1", .spoken, at: 12) == nil)
        #expect(see(&choice, "192.0.2.9", .spoken, at: 16) == nil, "both are in use")
        #expect(see(&choice, "192.0.2.9", .spoken, at: 18) == nil)
        #expect(see(&choice, "192.0.2.9", .spoken, at: 22) == "192.0.2.9")
        #expect(see(&choice, "192.0.2.1", .announced, at: 30) == "192.0.2.1")
    }
}

@Suite("A machine's address is looked for")
struct AddressWatchTests {
    /// Says what it is told to.
    private struct Told: AddressDiscovery {
        let name: String
        let sightings: AsyncStream<AddressSighting>
        let say: AsyncStream<AddressSighting>.Continuation
        var error: VZEngineError?

        init(_ name: String, error: VZEngineError? = nil) {
            self.name = name
            self.error = error
            (sightings, say) = AsyncStream.makeStream()
        }

        func run(
            for hardwareAddress: HardwareAddress, _ report: @escaping @Sendable (AddressSighting) -> Void
        ) async throws {
            if let error { throw error }
            for await sighting in sightings { report(sighting) }
        }
    }

    private static let card = HardwareAddress("02:00:00:00:00:01")!

    private func with(
        _ sources: [Told], patience: Duration = .seconds(600), _ body: (AddressWatch) async throws -> Void
    ) async throws {
        let watch = AddressWatch(of: Self.card, sources: sources, patience: patience, logger: .init(label: "test"))
        let running = Task { await watch.run() }
        defer { running.cancel() }
        try await body(watch)
        running.cancel()
        // All that was begun ends.
        await running.value
    }

    private func sighting(_ text: String, _ evidence: AddressSighting.Evidence = .leased) -> AddressSighting {
        .init(.init(text)!, evidence)
    }

    @Test func `in all places at once, and the first good answer counts`() async throws {
        let (slow, quick, broken) = (
            Told("slow"), Told("quick"), Told("broken", error: .init(.failed, "no such thing"))
        )
        try await with([slow, broken, quick]) { watch async throws in
            quick.say.yield(sighting("169.254.1.1", .spoken))
            quick.say.yield(sighting("192.0.2.5"))
            #expect(try await watch.first(within: .seconds(60)).description == "192.0.2.5")
            slow.say.yield(sighting("192.0.2.6"))
            slow.say.yield(sighting("192.0.2.6"))
            quick.say.yield(sighting("192.0.2.7"))
            var changes = watch.changes.makeAsyncIterator()
            var heard: Set<NetworkAddress> = []
            while heard.count < 2, let change = await changes.next() { heard.insert(change) }
            #expect(heard == [.init("192.0.2.6")!, .init("192.0.2.7")!])
            // Who asks later has the address at present.
            #expect(try await watch.first(within: .seconds(60)) == watch.current)
        }
    }

    @Test func `what was noted before is taken after a while`() async throws {
        let source = Told("old")
        try await with([source], patience: .milliseconds(50)) { watch async throws in
            source.say.yield(sighting("192.0.2.5", .remembered))
            #expect(try await watch.first(within: .seconds(60)).description == "192.0.2.5")
        }
    }

    @Test func `not for ever, and with a word on what may be wrong`() async throws {
        try await with([Told("silent")]) { watch async throws in
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await watch.first(within: .milliseconds(50))
            }
            #expect(error?.code == .deadline)
            #expect(error?.message.contains("02:00:00:00:00:01") == true)
        }
    }

    @Test func `not at all where no place can be looked at`() async throws {
        try await with([Told("a", error: .init(.failed, "not yours")), Told("b", error: .init(.failed, "not there"))]) {
            watch async throws in
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await watch.first(within: .seconds(60))
            }
            #expect(error?.message.contains("not yours") == true)
            #expect(error?.message.contains("not there") == true)
        }
    }

    @Test func `no more when the asker has gone`() async throws {
        try await with([Told("silent")]) { watch async throws in
            let asking = Task { try await watch.first(within: .seconds(600)) }
            asking.cancel()
            await #expect(throws: CancellationError.self) { () async throws in _ = try await asking.value }
        }
    }
}
