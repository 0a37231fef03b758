import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("A guest whose network gives it another address")
struct AddressChangeTests {
    private let other = GuestAddress(host: "192.0.2.9", port: 22)

    @Test("is followed: who watches hears of it, and it is reached there without being set up again")
    func followed() async throws {
        try await HostHarness.with { _ in
        } _: { host in
            try await host.reached()
            host.engine.machine?.change(.addressChanged(other))
            for try await status in try await host.client.watch() where status.address == other && status.isReachable {
                break
            }
            let session = try await host.client.exec(GuestExec(command: ["true"]))
            var code: Int32?
            for try await event in session.events { if case .exited(let value) = event { code = value } }
            #expect(code == 0)
            #expect(host.guest.setups.count == 1)
            #expect(try await host.client.hello().status.address == other)
        }
    }

    @Test("keeps its command, as long as that is heard from where it was")
    func command() async throws {
        try await HostHarness.with { config in
            config.main.command = ["sh", "-c", "echo begun; sleep 1; exit 7"]
        } _: { host in
            try await host.reached()
            for _ in 0..<3 { host.engine.machine?.change(.addressChanged(other)) }
            try await host.ended()
            #expect(try host.record().exitCode == 7)
        }
    }
}
