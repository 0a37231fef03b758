import Testing

@testable import KubeAPI

@Suite struct ValidationTests {
    static let good = Pod {
        $0.metadata.name = "p"
        $0.spec.volumes = [Volume { $0.name = "v" }]
        $0.spec.containers = [
            Container {
                $0.name = "c"
                $0.image = "i"
                $0.volumeMounts = [
                    VolumeMount {
                        $0.name = "v"
                        $0.mountPath = "/v"
                    }
                ]
            }
        ]
        $0.applyDefaults()
    }

    struct Case: CustomTestStringConvertible {
        let path: String
        let change: @Sendable (inout Pod) -> Void
        init(_ path: String, _ change: @escaping @Sendable (inout Pod) -> Void) {
            self.path = path
            self.change = change
        }
        var testDescription: String { path }
    }

    @Test("a good pod has no issues")
    func good() {
        #expect(Self.good.validate().isEmpty)
    }

    @Test(
        "each mistake is named by its field",
        arguments: [
            Case("metadata.name") { $0.metadata.name = "" },
            Case("metadata.name") { $0.metadata.name = "Upper" },
            Case("metadata.name") { $0.metadata.name = "a..b" },
            Case("metadata.namespace") { $0.metadata.namespace = "a.b" },
            Case("spec.containers") { $0.spec.containers = [] },
            Case("spec.restartPolicy") { $0.spec.restartPolicy = "Sometimes" },
            Case("spec.dnsConfig.nameservers") { $0.spec.dnsPolicy = .none },
            Case("spec.containers[0].name") { $0.spec.containers[0].name = "-x" },
            Case("spec.containers[0].image") { $0.spec.containers[0].image = "a b" },
            Case("spec.containers[1].name") { $0.spec.containers.append($0.spec.containers[0]) },
            Case("spec.containers[0].env[0].name") { $0.spec.containers[0].env = [EnvVar(name: "a=b", value: "")] },
            Case("spec.containers[0].volumeMounts[0].name") { $0.spec.containers[0].volumeMounts[0].name = "w" },
            Case("spec.containers[0].volumeMounts[0].subPath") {
                $0.spec.containers[0].volumeMounts[0].subPath = "a/../b"
            },
            Case("spec.containers[0].volumeMounts[0].subPath") { $0.spec.containers[0].volumeMounts[0].subPath = "/a" },
            Case("spec.volumes[1].name") { $0.spec.volumes.append($0.spec.volumes[0]) },
            Case("spec.containers[0].resources.requests.cpu") {
                $0.spec.containers[0].resources.limits["cpu"] = "1"
                $0.spec.containers[0].resources.requests["cpu"] = "2"
            },
        ])
    func mistakes(test: Case) {
        var pod = Self.good
        test.change(&pod)
        #expect(pod.validate().map(\.path) == [test.path])
    }
}
