import Foundation
import Logging
import NIOCore
import NIOPosix
import Proto
import Streaming
import Support
import Testing

/// How a guest is reached, and what it knows by name.
@Suite(.enabled(if: ContractHost.canRun, ContractHost.skipReason)) struct MachineNetworkContractTests {
    private static func fetch(_ port: Int, of sandbox: String, _ shim: ShimProcess) async throws -> String {
        let url = try await shim.call(
            CRI.RuntimeService.portForward,
            .init {
                $0.podSandboxId = sandbox
                $0.port = [Int32(port)]
            }
        ).url
        let session = try await PortForwardClient.connect(
            url: url, group: MultiThreadedEventLoopGroup.singleton, logger: Logger(label: "e2e"))
        var text = ""
        do {
            let connection = try await session.open(port: port)
            try await connection.write(ByteBuffer(string: "GET /who HTTP/1.0\r\n\r\n"))
            for try await bytes in connection.inbound { text += String(buffer: bytes) }
        } catch {
            await session.close()
            throw error
        }
        await session.close()
        return text
    }

    @Test(arguments: ContractHost.allCases)
    func `ports are forwarded to the guest, the pod has an address, and the guest knows its name and its pod's hosts`(
        _ host: ContractHost
    ) async throws {
        try await host.with { shim in
            let hosts = shim.directory + "/hosts"
            try Data("127.0.0.1\tlocalhost\n10.1.2.3\tfar.example far\n".utf8).write(to: URL(filePath: hosts))
            var config = shim.sandboxConfig("network")
            config.hostname = "my-guest"
            config.dnsConfig = .init {
                $0.servers = ["10.9.9.9"]
                $0.searches = ["cluster.example"]
            }
            config.portMappings = [.init { $0.containerPort = 9090 }]
            let sandbox = try await shim.runSandbox(config, handler: "vm")
            let address = try #require(try await shim.sandboxStatus(sandbox).network?.ip)
            #expect(!address.isEmpty)
            let machine = try await shim.startMachine(
                "main", in: sandbox, config,
                mounts: [
                    .init {
                        $0.containerPath = "/etc/hosts"
                        $0.hostPath = hosts
                    }
                ])
            try await shim.run(
                "mkdir -p /www; echo the guest >/www/who; httpd -p 9090 -h /www; httpd -p 127.0.0.1:9091 -h /www",
                in: machine)
            for port in [9090, 9091] {
                #expect(try await Self.fetch(port, of: sandbox, shim).hasSuffix("the guest\n"), "\(port)")
            }
            await #expect(throws: (any Error).self) { () async throws in
                _ = try await Self.fetch(9092, of: sandbox, shim)
            }
            let direct = try await ChildProcess.run(
                "/usr/bin/curl", ["-sS", "--max-time", "5", "http://\(address):9090/who"])
            if host.can(.podAddress) {
                #expect(direct.output == "the guest\n", "\(direct.errors)")
            } else {
                #expect(direct.code != 0)
            }
            #expect(try await shim.sandboxStatus(sandbox).network?.ip == address)

            let names = try await shim.run("hostname; cat /etc/resolv.conf /etc/hosts", in: machine)
            #expect(names.hasPrefix("my-guest\n"))
            #expect(names.contains("nameserver 10.9.9.9\n") && names.contains("search cluster.example\n"))
            #expect(names.contains("10.1.2.3\tfar.example\tfar\n") && names.contains("\tpod\n"), "\(names)")
        }
    }
}
