import Foundation
import Support
import Testing
import VZEngine

@testable import VMHost

@Suite("A shared directory that is exchanged for another")
struct ShareExchangeTests {
    private func withHost(
        replacesShares: Bool, _ body: (HostHarness, MachineConfig.Share) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            let share = MachineConfig.Share(tag: "m0", source: directory + "/shared", readOnly: true)
            try FileManager.default.createDirectory(atPath: share.source, withIntermediateDirectories: true)
            try await HostHarness.with(engine: FakeEngine(replacesShares: replacesShares)) { config in
                config.shares = [share]
                config.mounts = [.init(tag: "m0", guestPath: "/mnt/x", readOnly: true)]
            } _: { host in
                try await host.reached()
                try await body(host, share)
            }
        }
    }

    /// Until it was noticed: its first look may come a moment after the machine runs.
    private func exchange(_ share: MachineConfig.Share, until isNoticed: () async throws -> Bool) async throws {
        var number = 0
        try await eventually("it is noticed") {
            number += 1
            try FileManager.default.createDirectory(
                atPath: "\(share.source).new\(number)", withIntermediateDirectories: true)
            #expect(rename(share.source, "\(share.source).old\(number)") == 0)
            #expect(rename("\(share.source).new\(number)", share.source) == 0)
            for _ in 0..<50 {
                if try await isNoticed() { return true }
                try await Task.sleep(for: .milliseconds(20))
            }
            return false
        }
    }

    @Test("is given to the guest where its engine can")
    func given() async throws {
        try await withHost(replacesShares: true) { host, share in
            try await exchange(share) { host.engine.machine?.replaced.contains(share) == true }
            #expect(try await host.client.hello().status.notices == nil)
        }
    }

    @Test("is told of where it cannot")
    func told() async throws {
        try await withHost(replacesShares: false) { host, share in
            try await exchange(share) { try await host.client.hello().status.notices != nil }
            let notice = try #require(try await host.client.hello().status.notices?.first)
            #expect(notice.reason == "MountReplaced" && notice.message.hasPrefix("/mnt/x: "))
        }
    }
}
