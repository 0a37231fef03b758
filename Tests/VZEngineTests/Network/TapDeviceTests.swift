#if os(Linux)
import Foundation
import HostFiles
import Processes
import Support
import Synchronization
import Testing

@testable import VZEngine

/// A bridge of the host's, gone with the body.
struct TestBridge {
    static let canRun = geteuid() == 0 && access("/dev/net/tun", R_OK | W_OK) == 0
    static let skipReason: Comment = "skipped, because making network devices needs root and /dev/net/tun"

    let name = "vzt\(UInt32.random(in: 0...UInt32.max))"

    static func with(_ body: (TestBridge) async throws -> Void) async throws {
        let bridge = TestBridge()
        try await Command.checked("ip", ["link", "add", bridge.name, "type", "bridge"])
        do {
            try await Command.checked("ip", ["link", "set", bridge.name, "up"])
            try await body(bridge)
        } catch {
            try await Command.checked("ip", ["link", "del", bridge.name])
            throw error
        }
        try await Command.checked("ip", ["link", "del", bridge.name])
    }

    func links() async throws -> String {
        try await Command.checked("ip", ["-o", "link", "show", "master", name]).text
    }
}

/// The sightings of a source that runs as long as the body.
private func withSightings(
    of source: any AddressDiscovery, _ card: HardwareAddress,
    _ body: (AsyncStream<AddressSighting>) async throws -> Void
) async throws {
    let (sightings, report) = AsyncStream.makeStream(of: AddressSighting.self)
    let running = Task {
        defer { report.finish() }
        try await source.run(for: card) { report.yield($0) }
    }
    do {
        try await body(sightings)
    } catch {
        running.cancel()
        throw error
    }
    running.cancel()
    try await running.value
}

@Suite("A machine's network device on a bridge", .enabled(if: TestBridge.canRun, TestBridge.skipReason))
struct TapDeviceTests {
    private static let mac: [UInt8] = [0x02, 0x54, 0, 0, 0, 7]
    private let card = HardwareAddress(bytes: mac)!

    /// Says it again and again, as a machine does, until cancelled: nobody may listen yet.
    private func speaking(_ tap: TapDevice, _ frames: [[UInt8]]) -> Task<Void, any Error> {
        Task {
            while !Task.isCancelled {
                for frame in frames {
                    // Before it the header by which checksums are left to the host: nothing is.
                    let bytes = [UInt8](repeating: 0, count: 10) + frame
                    #expect(write(tap.descriptor.number, bytes, bytes.count) == bytes.count)
                }
                try await Task.sleep(for: .milliseconds(20))
            }
        }
    }

    private func name() -> String {
        TapDevice.name(ofMachine: String(UInt64.random(in: 1 << 60...UInt64.max), radix: 16))
    }

    @Test func `is on it, and is gone with its last holder`() async throws {
        try await TestBridge.with { bridge in
            try await Command.checked("ip", ["link", "set", bridge.name, "mtu", "9000"])
            let tap = try TapDevice.make(bridge: bridge.name, name: name())
            let links = try await bridge.links()
            #expect(links.contains(tap.name))
            #expect(links.contains("mtu 9000"), "a bridge carries what the smallest of its devices can")
            #expect(throws: VZEngineError.self) { try TapDevice.make(bridge: bridge.name, name: tap.name) }
            tap.descriptor.close()
            #expect(try await bridge.links().isEmpty)
            let error = #expect(throws: VZEngineError.self) { try TapDevice.make(bridge: "vzt-none", name: name()) }
            #expect(error?.message.contains("vzt-none") == true)
        }
    }

    @Test(arguments: [false, true]) func `tells a machine's address once that speaks`(byProgram: Bool) async throws {
        let hasProgram = (try? Executables.find("tcpdump")) != nil
        // In CI it is there.
        guard !byProgram || hasProgram || ProcessInfo.processInfo.environment["CI"] != nil else { return }
        try await TestBridge.with { bridge in
            let tap = try TapDevice.make(bridge: bridge.name, name: name())
            let source: any AddressDiscovery =
                byProgram ? TcpdumpCapture(interface: bridge.name) : PacketCapture(interface: tap.name)
            try await withSightings(of: source, card) { sightings in
                let other: [UInt8] = [0x02, 0x54, 0, 0, 0, 8]
                let frames = [
                    FrameReaderTests.arp([192, 0, 2, 9], asks: [192, 0, 2, 1], from: other),
                    FrameReaderTests.arp([0, 0, 0, 0], asks: [192, 0, 2, 7], from: Self.mac),
                    FrameReaderTests.arp([169, 254, 2, 7], asks: [169, 254, 2, 7], from: Self.mac),
                    FrameReaderTests.arp([192, 0, 2, 7], asks: [192, 0, 2, 1], from: Self.mac),
                ]
                let speaking = speaking(tap, frames)
                defer { speaking.cancel() }
                var iterator = sightings.makeAsyncIterator()
                #expect(await iterator.next() == .init(.init("192.0.2.7")!, .spoken))
            }
        }
    }

    @Test func `tells what a DHCP server gives a machine, and nothing of its other traffic`() async throws {
        try await TestBridge.with { bridge in
            let tap = try TapDevice.make(bridge: bridge.name, name: name())
            let number = Mutex(0)
            try await withSightings(of: PacketCapture(interface: tap.name), card) { sightings in
                var data = FrameReaderTests.answer(5, [192, 0, 2, 99], to: Self.mac)
                data.replaceSubrange(34..<38, with: [0x30, 0x39, 0x30, 0x39])
                let speaking = speaking(tap, [data, FrameReaderTests.answer(5, [192, 0, 2, 8], to: Self.mac)])
                defer { speaking.cancel() }
                var iterator = sightings.makeAsyncIterator()
                for _ in 0..<3 {
                    #expect(await iterator.next() == .init(.init("192.0.2.8")!, .leased))
                    number.withLock { $0 += 1 }
                }
            }
            #expect(number.withLock { $0 } == 3)
        }
    }

    @Test func `a source that is cancelled before it has begun ends, and one without its device says so`() async throws
    {
        try await TestBridge.with { bridge in
            for source: any AddressDiscovery in [
                PacketCapture(interface: bridge.name), NeighbourTable(interface: bridge.name),
            ] {
                let running = Task { try await source.run(for: card) { _ in } }
                running.cancel()
                try await running.value
            }
        }
        for source: any AddressDiscovery in [
            PacketCapture(interface: "vzt-none"), NeighbourTable(interface: "vzt-none"),
        ] {
            await #expect(throws: VZEngineError.self) { () async throws in try await source.run(for: card) { _ in } }
        }
    }
}

@Suite("The kernel's neighbours", .enabled(if: TestBridge.canRun, TestBridge.skipReason))
struct NeighbourTableTests {
    private let card = HardwareAddress("02:54:00:00:00:07")!

    @Test func `those of before are told from those of now, and others' and the link's are passed over`() async throws {
        try await TestBridge.with { bridge in
            func note(_ address: String, _ mac: String, _ state: String) async throws {
                try await Command.checked(
                    "ip", ["neigh", "replace", address, "lladdr", mac, "dev", bridge.name, "nud", state])
            }
            try await Command.checked("ip", ["addr", "add", "192.0.2.1/24", "dev", bridge.name])
            try await note("192.0.2.6", "\(card)", "stale")
            try await note("192.0.2.5", "02:54:00:00:00:08", "reachable")
            try await withSightings(of: NeighbourTable(interface: bridge.name), card) { sightings in
                var iterator = sightings.makeAsyncIterator()
                #expect(await iterator.next() == .init(.init("192.0.2.6")!, .remembered))
                try await note("192.0.2.8", "02:54:00:00:00:08", "reachable")
                try await note("192.0.2.7", "\(card)", "reachable")
                #expect(await iterator.next() == .init(.init("192.0.2.7")!, .spoken))
            }
        }
    }
}

@Suite("Files of leases")
struct LeaseFilesTests {
    @Test func `a lease is seen when it is given, and when it is given again`() async throws {
        try await withTemporaryDirectory { directory in
            let card = HardwareAddress("02:54:00:00:00:07")!
            let path = directory + "/dnsmasq.leases"
            let end = Int(Date().timeIntervalSince1970) + 3600
            func write(_ lines: [String]) throws {
                try AtomicFile.write(Array(lines.joined(separator: "\n").utf8), to: path, mode: 0o600)
            }
            try write(["\(end) \(card) 192.0.2.3 * *"])
            try await withSightings(of: LeaseFiles(path, .dnsmasq), card) { sightings in
                var iterator = sightings.makeAsyncIterator()
                #expect(await iterator.next() == .init(.init("192.0.2.3")!, .remembered))
                try write(["\(end) \(card) 192.0.2.3 * *", "\(end) 02:54:00:00:00:08 192.0.2.4 * *"])
                try write(["\(end + 1) \(card) 192.0.2.3 * *"])
                #expect(await iterator.next() == .init(.init("192.0.2.3")!, .leased))
                try write(["\(end + 1) \(card) 192.0.2.3 * *", "\(end) \(card) 192.0.2.5 * *"])
                #expect(await iterator.next() == .init(.init("192.0.2.5")!, .leased))
            }
        }
    }
}
#endif
