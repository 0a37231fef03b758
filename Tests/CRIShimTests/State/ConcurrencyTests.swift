import Synchronization
import Testing

@testable import CRIShim

@Suite struct ConcurrencyTests {
    private final class Inside: Sendable {
        let counts = Mutex((now: 0, most: 0, total: 0))
    }

    @Test func `work under one key does not overlap`() async {
        let serial = KeyedSerial()
        let inside = Inside()
        await withDiscardingTaskGroup { group in
            for _ in 0..<100 {
                group.addTask {
                    await serial.run("k") {
                        inside.counts.withLock {
                            $0.now += 1; $0.most = max($0.most, $0.now); $0.total += 1
                        }
                        await Task.yield()
                        inside.counts.withLock { $0.now -= 1 }
                    }
                }
            }
        }
        #expect(inside.counts.withLock { $0.most } == 1)
        #expect(inside.counts.withLock { $0.total } == 100)
    }

    @Test func `different keys do not wait for each other`() async {
        let serial = KeyedSerial()
        await serial.run("a") { await serial.run("b") {} }
    }

    @Test func `a name is free again after its release`() throws {
        let names = NameReservations()
        try names.reserve("n", what: "it") {}
        #expect { try names.reserve("n", what: "it") {} } throws: { ($0 as? ShimError)?.code == .alreadyExists }
        names.release("n")
        try names.reserve("n", what: "it") {}
    }

    @Test func `a name that exists is not reserved`() throws {
        let names = NameReservations()
        #expect(throws: ShimError.self) {
            try names.reserve("n", what: "it") { throw ShimError(.alreadyExists, "there") }
        }
        try names.reserve("n", what: "it") {}
    }
}
