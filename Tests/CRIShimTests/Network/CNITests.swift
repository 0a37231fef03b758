import Foundation
import Processes
import Support
import Testing

@testable import CRIShim

@Suite struct CNIConfigurationTests {
    @Test func `the first valid file by name counts`() async throws {
        try await withTemporaryDirectory { directory in
            func write(_ name: String, _ text: String) throws {
                try Data(text.utf8).write(to: URL(filePath: directory + "/" + name))
            }
            var skipped: [String] = []
            func first() throws -> CNIConfiguration? {
                skipped = []
                return try CNIConfiguration.first(in: directory) { path, _ in skipped.append(path) }
            }
            #expect(try first() == nil)
            #expect(try CNIConfiguration.first(in: directory + "/absent") { _, _ in } == nil)
            try write("README.txt", "no configuration")
            #expect(try first() == nil)
            try write("90-later.conf", #"{"cniVersion":"0.4.0","name":"single","type":"bridge","mtu":1400}"#)
            #expect(try first()?.plugins.first?["mtu"]?.integer == 1400)
            try write("10-broken.conflist", "{")
            try write("11-empty.conflist", #"{"name":"x","plugins":[]}"#)
            try write("12-path.conflist", #"{"name":"x","plugins":[{"type":"../sh"}]}"#)
            try write(
                "20-list.conflist", #"{"cniVersion":"1.0.0","name":"list","plugins":[{"type":"a"},{"type":"b"}]}"#)
            #expect(try first()?.name == "list")
            #expect(skipped.count == 3)
        }
    }

    @Test func `a plugin is given its configuration, the result before it and what it has capabilities for`() throws {
        var pod = SandboxRecord()
        pod.dns = .init(servers: ["10.0.0.10"])
        let configuration = try CNIConfiguration.parse(
            Array(
                #"{"cniVersion":"1.0.0","name":"n","plugins":[{"type":"a","x":1.5},{"type":"b","capabilities":{"portMappings":true,"dns":true,"other":true}}]}"#
                    .utf8), isList: true)
        #expect(configuration.canMapPorts)
        var attachment = CNIAttachment(configuration: configuration, pod: pod)
        attachment.ports = [.init(transport: .udp, hostAddress: nil, hostPort: 53, podPort: 5353)]
        let first = CNIPlugins.input(configuration.plugins[0], attachment, nil)
        #expect(
            first
                == .object([
                    "cniVersion": .string("1.0.0"), "name": .string("n"), "type": .string("a"), "x": .number(1.5),
                ]))
        let second = CNIPlugins.input(configuration.plugins[1], attachment, .object(["ips": .array([])]))
        #expect(second["capabilities"] == nil)
        #expect(second["prevResult"] == .object(["ips": .array([])]))
        let port = second["runtimeConfig"]?["portMappings"]?.elements?.first
        #expect(port?["hostPort"] == .integer(53))
        #expect(port?["containerPort"] == .integer(5353))
        #expect(port?["protocol"] == .string("udp"))
        #expect(second["runtimeConfig"]?["dns"]?["servers"] == .array([.string("10.0.0.10")]))
    }

    @Test(
        "addresses are read from results of all versions",
        arguments: [
            (
                #"{"ips":[{"address":"10.1.0.5/16","interface":1},{"address":"10.1.0.1/16","interface":0}],"interfaces":[{"name":"br0"},{"name":"eth0","sandbox":"/ns"}]}"#,
                ["10.1.0.5"]
            ),
            (#"{"ips":[{"address":"10.1.0.5/16"},{"address":"fd00::5/64"}]}"#, ["10.1.0.5", "fd00::5"]),
            (#"{"ip4":{"ip":"10.2.0.7/24"}}"#, ["10.2.0.7"]),
            (#"{}"#, []),
        ])
    func addresses(text: String, expected: [String]) throws {
        #expect(CNIPlugins.addresses(in: try JSONDecoder().decode(JSONValue.self, from: Data(text.utf8))) == expected)
    }
}

/// Pods that plugins connect.
@Suite(.serialized, .enabled(if: NetworkHarness.isPossible, NetworkHarness.skipReason)) struct CNIPluginTests {
    private func withPlugins(
        _ body: @Sendable (_ directory: String, _ harness: NetworkHarness) async throws -> Void
    ) async throws {
        try await CNIFixture.with { directory, settings in
            try await NetworkHarness.with(settings: settings) { try await body(directory, $0) }
        }
    }

    private func calls(_ directory: String) throws -> [[String]] { try CNIFixture.calls(directory) }

    @Test func `chained plugins connect the pod, and get back what they answered`() async throws {
        try await withPlugins { directory, harness in
            let record = harness.record { $0.ports = [NetworkHarness.port(80, host: 8080)] }
            let networks = try harness.networks()
            #expect(try await networks.wantsEveryPod())
            let pod = try await networks.setUp(record)
            #expect(pod.kind == .cni)
            #expect(pod.addresses == ["10.66.0.9"])
            let namespace = try #require(pod.namespace)
            var calls = try self.calls(directory)
            #expect(calls.map { $0[0] } == ["ADD wire eth0 \(record.id)", "ADD tune eth0 \(record.id)"])
            #expect(calls.allSatisfy { $0[1] == namespace })
            #expect(calls[0][2].contains("K8S_POD_NAMESPACE=default;K8S_POD_NAME=web;"))
            #expect(!calls[0][3].contains("prevResult"))
            #expect(calls[1][3].contains(#""prevResult":{"#))
            #expect(calls[1][3].contains(#""hostPort":8080"#))
            let loopback = try await Command.checked("ip", ["-o", "link", "show", "lo"], networkNamespace: namespace)
            #expect(loopback.text.contains("UP"))

            // By another shim, and without the configuration: what ADD was given was kept.
            try FileManager.default.removeItem(atPath: directory + "/conf/10-test.conflist")
            let next = try harness.networks()
            try await next.adopt(known: [record.id])
            #expect(try await next.network(of: record.id) == pod)
            try await next.tearDown(sandbox: record.id)
            calls = try self.calls(directory)
            #expect(calls.dropFirst(2).map { $0[0] } == ["DEL tune eth0 \(record.id)", "DEL wire eth0 \(record.id)"])
            #expect(calls[3][3].contains(#""prevResult":{"#) && calls[3][3].contains("10.66.0.9/24"))
            try await harness.expectNothingLeft()
        }
    }

    @Test func `a plugin that fails is quoted, and all are asked to undo`() async throws {
        try await withPlugins { directory, harness in
            try Data().write(to: URL(filePath: directory + "/fail"))
            await #expect { try await harness.networks().setUp(harness.record()) } throws: {
                "\($0)".contains("CNI plugin tune") && "\($0)".contains("try again: no agent")
            }
            #expect(
                try calls(directory).map { $0[0].split(separator: " ").prefix(2).joined(separator: " ") } == [
                    "ADD wire", "ADD tune", "DEL tune", "DEL wire",
                ])
            try await harness.expectNothingLeft()
        }
    }

    @Test func `without a configuration the shim's own bridge serves`() async throws {
        try await withPlugins { directory, harness in
            try FileManager.default.removeItem(atPath: directory + "/conf/10-test.conflist")
            let networks = try harness.networks()
            #expect(!(try await networks.wantsEveryPod()))
            let pod = try await networks.setUp(harness.record())
            #expect(pod.kind == .bridge)
            try await networks.tearDown(sandbox: pod.sandbox)
            #expect(try calls(directory).isEmpty)
        }
    }

    @Test func `a plugin that is not installed is named, with where it was looked for`() async throws {
        try await withPlugins { directory, harness in
            try FileManager.default.removeItem(atPath: directory + "/bin/tune")
            await #expect { try await harness.networks().setUp(harness.record()) } throws: {
                "\($0)".contains("there is no CNI plugin tune in \(directory)/none:\(directory)/bin")
            }
        }
    }
}
