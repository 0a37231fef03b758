#if os(Linux)
import Foundation
import NIOPosix
import Processes
import Support
import Testing

@testable import CRIShim

/// A network outside of this program's reach: a bridge of the host's, and behind it, in a namespace of its own, a real DHCP
/// server.
final class BridgeNetwork: Sendable {
    static let isPossible =
        NetworkHarness.isPossible
        && (ProcessInfo.processInfo.environment["CI"] != nil || (try? Executables.find("dnsmasq")) != nil)
    static let skipReason: Comment =
        "skipped, because this user may not make networks, or dnsmasq is absent (scripts/deps install test)"

    let bridge: String
    let directory: String
    /// `10.77.5`, say.
    let prefix: String
    private let namespace: String

    private init(_ directory: String) {
        let digits = String(UInt32.random(in: 1 << 28...UInt32.max), radix: 16)
        bridge = "vzb" + digits
        prefix = "10.77.\(Int.random(in: 0...255))"
        namespace = directory + "/server"
        self.directory = directory
    }

    static func with(_ body: @Sendable (BridgeNetwork) async throws -> Void) async throws {
        try await withTemporaryDirectory { directory in
            let network = BridgeNetwork(directory)
            do {
                try await network.make()
                try await body(network)
            } catch {
                try await network.remove()
                throw error
            }
            try await network.remove()
        }
    }

    private func make() async throws {
        try await NetworkNamespace.make(at: namespace)
        try await SystemNetwork.ip([
            "link add name \(bridge) type bridge", "addr add \(prefix).2/24 dev \(bridge)", "link set \(bridge) up",
            "link add name \(bridge)s master \(bridge) type veth peer name eth0 netns \"\(namespace)\"",
            "link set \(bridge)s up",
        ])
        try await SystemNetwork.ip(
            ["link set lo up", "addr add \(prefix).1/24 dev eth0", "link set eth0 up"], in: namespace)
    }

    private func remove() async throws {
        try await SystemNetwork.ip(["link del \(bridge)"], force: true)
        try NetworkNamespace.remove(namespace)
    }

    /// Serves addresses of the range for as long as the body runs.
    func serving(_ range: ClosedRange<Int>, lease: String = "24h", _ body: () async throws -> Void) async throws {
        var request = ProcessRequest(
            try Executables.find("dnsmasq"),
            [
                "--keep-in-foreground", "--conf-file=/dev/null", "--port=0", "--interface=eth0", "--bind-dynamic",
                "--no-ping", "--dhcp-authoritative", "--dhcp-leasefile=\(directory)/leases", "--user=root",
                "--log-facility=\(directory)/log", "--pid-file=",
                "--dhcp-range=\(prefix).\(range.lowerBound),\(prefix).\(range.upperBound),\(lease)",
            ])
        request.networkNamespace = namespace
        request.diesWithParent = true
        let server = try await ChildProcess.start(request)
        do {
            try await body()
        } catch {
            print((try? String(contentsOfFile: directory + "/log", encoding: .utf8)) ?? "")
            server.signal(9)
            _ = await server.waitForEnd()
            throw error
        }
        server.signal(9)
        _ = await server.waitForEnd()
    }

    /// Each lease that the server remembers.
    func leases() throws -> [String] {
        try RootDirectory.read(directory + "/leases").map { String(decoding: $0, as: UTF8.self) }?
            .split(separator: "\n").map(String.init) ?? []
    }

    /// The devices on the bridge that are machines'.
    func machineDevices() throws -> [String] {
        try SystemNetwork.devices(on: bridge).filter { $0.hasPrefix("vzc") }
    }

    func contains(_ address: String, _ range: ClosedRange<Int>) -> Bool {
        guard let last = address.split(separator: ".").last.flatMap({ Int($0) }) else { return false }
        return address.hasPrefix(prefix + ".") && range.contains(last)
    }
}
#endif
