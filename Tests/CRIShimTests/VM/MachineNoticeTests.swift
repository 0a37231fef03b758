import Foundation
import Proto
import Support
import Testing
import VZEngine

@testable import CRIShim

/// What is told of a machine beyond that it runs.
@Suite struct MachineNoticeTests {
    @Test func `the worst is the reason, all of it is the message, and that it has failed counts before`() {
        var status = MachineStatus(phase: .running)
        #expect(MachineNotices.words(for: status) == ("", ""))
        status.notices = [.init(reason: "MountCopied", message: "/a: copied")]
        #expect(MachineNotices.words(for: status) == ("MountCopied", "/a: copied"))
        status.notices?.append(.init(reason: "MountPathUnavailable", message: "/b: elsewhere"))
        #expect(
            MachineNotices.words(for: status) == ("MountPathUnavailable", "MountCopied: /a: copied; /b: elsewhere"))
        status.held = .init(exitCode: 3, reason: "Error", message: "", until: 0)
        #expect(MachineNotices.words(for: status).reason == "HeldOnFailure")
    }

    @Test func `a notice is in the container's status and details, and who listens hears of it`() async throws {
        try await VMBench.with { bench in
            let id = try await bench.create(in: bench.sandbox())
            try await bench.start(id)
            let events = bench.store.subscribe()
            defer { bench.store.unsubscribe(events) }
            try bench.supervisor(id).tell(.init(reason: "MountPathUnavailable", message: "/x: it is at /y"))
            var heard = events.events.makeAsyncIterator()
            let event = await heard.next()
            let status = try #require(event?.containersStatuses.first { $0.id == id })
            #expect(status.state == .containerRunning)
            #expect(status.reason == "MountPathUnavailable" && status.message == "/x: it is at /y")
            let entry = try bench.store.container(id)
            #expect(bench.runtime.details(entry)["info"]?.contains("MountPathUnavailable: /x: it is at /y") == true)
        }
    }

    @Test func `in a pod's volume a path may have no links, before it the host's are its own affair`() async throws {
        try await withTemporaryDirectory { directory in
            let files = FileManager.default
            let volume = directory + "/real/pods/uid/volumes/kubernetes.io~empty-dir/data"
            try files.createDirectory(atPath: volume + "/sub/deep", withIntermediateDirectories: true)
            try files.createSymbolicLink(atPath: directory + "/linked", withDestinationPath: "real")
            try files.createSymbolicLink(atPath: volume + "/out", withDestinationPath: "/")
            try files.createSymbolicLink(atPath: volume + "/near", withDestinationPath: "sub")
            let named = volume.replacing("/real/", with: "/linked/")
            let real = try HostFileKinds.resolved(volume)
            #expect(try HostFileKinds.resolved(named) == real)
            #expect(try HostFileKinds.resolved(named + "/sub/deep") == real + "/sub/deep")
            for name in ["out", "out/etc", "near", "near/deep"] {
                #expect(throws: ShimError.self, "\(name)") { _ = try HostFileKinds.resolved("\(named)/\(name)") }
            }
            // What is no pod's volume is whoever named it.
            #expect(try HostFileKinds.resolved(directory + "/linked/pods") == directory + "/real/pods")
            #expect(HostFileKinds.volume(of: "/x/volumes/kubernetes.io~empty-dir/data") == nil)
        }
    }
}
