import Proto
import Testing

@testable import CRIShim

@Suite struct RecordTests {
    static func config(_ change: (inout CRI.PodSandboxConfig) -> Void = { _ in }) -> CRI.PodSandboxConfig {
        .init {
            $0.metadata = .init {
                $0.name = "web"
                $0.namespace = "shop"
                $0.uid = "u1"
                $0.attempt = 2
            }
            change(&$0)
        }
    }

    @Test func `a sandbox record survives writing and reading`() throws {
        var record = try SandboxRecord(
            Self.config {
                $0.hostname = "web-0"
                $0.logDirectory = "/var/log/pods/web"
                $0.dnsConfig = .init {
                    $0.servers = ["10.0.0.10"]; $0.options = ["ndots:5"]
                }
                $0.portMappings = [
                    .init {
                        $0.containerPort = 80; $0.hostPort = 8080; $0.protocol = .udp
                    }
                ]
                $0.labels = ["a": "b"]
                $0.annotations = ["c": "d é\n"]
                $0.linux = .init {
                    $0.cgroupParent = "/kubepods"
                    $0.sysctls = ["net.core.somaxconn": "1024"]
                    $0.securityContext = .init {
                        $0.namespaceOptions = .init {
                            $0.network = .node; $0.pid = .container
                        }
                    }
                }
            }, handler: "docker", id: Identifiers.sandbox())
        record.phase = .ready
        record.runtime = "docker"
        let bytes = try RecordCoding.encode(record)
        let read = try RecordCoding.decode(SandboxRecord.self, schema: SandboxRecord.schema, from: bytes, place: "here")
        #expect(read == record)
        #expect(read.namespaces.network == 2)
        #expect(read.ports.first?.protocol == 1)
        #expect(read.reservation == "shop/web/u1/2")
    }

    @Test func `a record of a newer version is refused by name`() throws {
        #expect {
            try RecordCoding.decode(
                SandboxRecord.self, schema: 1, from: Array(#"{"schema": 2, "somethingNew": true}"#.utf8),
                place: "/x/config.json")
        } throws: { error in
            let error = error as? ShimError
            return error?.code == .newerRecord && error?.message.contains("/x/config.json") == true
        }
    }

    @Test func `a damaged record is told apart from a newer one`() {
        #expect { try RecordCoding.decode(SandboxRecord.self, schema: 1, from: Array("{".utf8), place: "p") } throws: {
            ($0 as? ShimError)?.code == .corruptRecord
        }
    }

    @Test("a sandbox without its full name is refused", arguments: ["name", "namespace", "uid"])
    func incomplete(missing: String) {
        let config = Self.config {
            switch missing {
            case "name": $0.metadata?.name = ""
            case "namespace": $0.metadata?.namespace = ""
            default: $0.metadata?.uid = ""
            }
        }
        #expect { try SandboxRecord(config, handler: "", id: "x") } throws: {
            ($0 as? ShimError)?.code == .invalidArgument
        }
    }

    @Test func `a user namespace per pod is refused, the host's is not`() throws {
        func config(_ mode: CRI.NamespaceMode) -> CRI.PodSandboxConfig {
            Self.config {
                $0.linux = .init {
                    $0.securityContext = .init {
                        $0.namespaceOptions = .init { $0.usernsOptions = .init { $0.mode = mode } }
                    }
                }
            }
        }
        _ = try SandboxRecord(config(.node), handler: "", id: "x")
        #expect { try SandboxRecord(config(.pod), handler: "", id: "x") } throws: {
            ($0 as? ShimError)?.code == .invalidArgument
        }
    }

    @Test func `the older seccomp field is understood`() {
        #expect(SecurityProfileRecord(nil, deprecatedPath: "") == nil)
        #expect(SecurityProfileRecord(nil, deprecatedPath: "unconfined")?.kind == 1)
        #expect(SecurityProfileRecord(nil, deprecatedPath: "runtime/default")?.kind == 0)
        #expect(SecurityProfileRecord(nil, deprecatedPath: "localhost//p.json") == .init(kind: 2, reference: "/p.json"))
    }
}
