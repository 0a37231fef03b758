import HostFiles
import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct VolumeSourcesTests {
    private static let material: VolumeMaterial = {
        var material = VolumeMaterial()
        material.objects.configMaps = ["m": ["a": Array("one".utf8), "b.txt": [0xFF, 0]], "empty": [:]]
        material.objects.secrets = ["s": ["p": Array("hidden".utf8)]]
        return material
    }()

    private func pod(_ volume: String, more: String = "") -> Pod {
        Sample.pod(
            yaml: """
                apiVersion: v1
                kind: Pod
                metadata:
                  name: web
                  labels: {app: shop, tier: "a \\"b\\"\\n\\u0001"}
                  annotations: {note: ü}
                spec:
                  serviceAccountName: robot
                  \(more)
                  volumes: [{name: v, \(volume)}]
                  containers:
                  - {name: c, image: "busybox:1", resources: {limits: {cpu: 1500m, memory: 64Mi}}}

                """)
    }

    /// `path mode text` of every file.
    private func files(_ pod: Pod, _ material: VolumeMaterial = material) throws -> [String] {
        let sources = VolumeSources(pod: pod, context: Sample.context, material: material)
        let volume = try #require(pod.spec.volumes.first)
        let content = try #require(try sources.content(of: volume))
        return content.files.map {
            "\($0.path) \(String($0.mode, radix: 8)) \(String(decoding: $0.content, as: UTF8.self))"
        }
    }

    @Test(
        "what is in a volume",
        arguments: [
            ("configMap: {name: m}", ["a 644 one", "b.txt 644 \u{FFFD}\u{0}"]),
            ("configMap: {name: m, defaultMode: 256, items: [{key: a, path: x/y}]}", ["x/y 400 one"]),
            ("configMap: {name: m, items: [{key: a, path: ./x//y/, mode: 511}]}", ["x/y 777 one"]),
            (
                "configMap: {name: m, items: [{key: a, path: x}, {key: a, path: y}, {key: a, path: x}]}",
                ["x 644 one", "y 644 one"]
            ),
            ("configMap: {name: empty}", []), ("configMap: {name: none, optional: true}", []),
            ("configMap: {name: m, optional: true, items: [{key: none, path: x}, {key: a, path: y}]}", ["y 644 one"]),
            ("secret: {secretName: s, defaultMode: 288}", ["p 440 hidden"]),
            ("secret: {secretName: s, items: [{key: p, path: ...three}]}", nil),
            (
                "downwardAPI: {items: [{path: l, fieldRef: {fieldPath: metadata.labels}}]}",
                [#"l 644 app="shop""# + "\n" + #"tier="a \"b\"\n\x01""#]
            ),
            (
                "downwardAPI: {defaultMode: 256, items: [{path: n, fieldRef: {fieldPath: metadata.name}}, "
                    + "{path: m, mode: 420, resourceFieldRef: {containerName: c, resource: limits.memory, divisor: 1Mi}}]}",
                ["m 644 64", "n 400 web"]
            ),
            (
                "downwardAPI: {items: [{path: x, fieldRef: {fieldPath: \"metadata.annotations['note']\"}}]}",
                ["x 644 ü"]
            ),
            (
                "projected: {defaultMode: 256, sources: [{configMap: {name: m, items: [{key: a, path: a}]}}, "
                    + "{secret: {name: s}}, {downwardAPI: {items: [{path: d/ns, fieldRef: {fieldPath: metadata.namespace}}]}}]}",
                ["a 400 one", "d/ns 400 default", "p 400 hidden"]
            ),
            ("projected: {sources: []}", []),
        ] as [(String, [String]?)])
    func contents(volume: String, expected: [String]?) throws {
        guard let expected else {
            #expect(throws: AdapterError.self) { try files(pod(volume)) }
            return
        }
        #expect(try files(pod(volume)) == expected)
    }

    @Test(
        "what is not there, or leads elsewhere, is an error in the kubelet's words",
        arguments: [
            ("configMap: {name: none}", "configmap \"none\" not found"),
            ("secret: {secretName: none}", "secret \"none\" not found"),
            (
                "configMap: {name: m, items: [{key: none, path: x}]}",
                "configmap references non-existent config key: none"
            ),
            ("secret: {secretName: s, items: [{key: none, path: x}]}", "references non-existent secret key: none"),
            ("configMap: {name: m, items: [{key: a, path: /etc/x}]}", "must be relative"),
            ("configMap: {name: m, items: [{key: a, path: x/../../y}]}", "must not contain \"..\""),
            ("configMap: {name: m, items: [{key: a, path: ..data}]}", "must not contain \"..\""),
            ("configMap: {name: m, items: [{key: a, path: \"\"}]}", "is empty or not text"),
            ("configMap: {name: m, items: [{key: a, path: ./.}]}", "names no file"),
            ("configMap: {name: m, items: [{key: a, path: x, mode: 4095}]}", "is not between 0 and 0777"),
            ("configMap: {name: m, items: [{key: a, path: x}, {key: a, path: x/y}]}", "is a file and"),
            (
                "configMap: {name: m, items: [{key: a, path: x}, {key: a, path: x-y}, {key: a, path: x/y}]}",
                "is a file and"
            ),
            ("downwardAPI: {items: [{path: x, fieldRef: {fieldPath: spec.magic}}]}", "is not supported"),
            (
                "downwardAPI: {items: [{path: x, resourceFieldRef: {containerName: z, resource: limits.cpu}}]}",
                "is not there"
            ),
            ("downwardAPI: {items: [{path: x}]}", "has neither"),
            ("projected: {sources: [{podCertificate: {}}]}", "podCertificate is not supported"),
            ("projected: {sources: [{clusterTrustBundle: {name: t, path: x}}]}", "ClusterTrustBundle \"t\" not found"),
            ("nfs: {server: x}", "volumes of kind nfs are not supported"),
            ("emptyDir: {medium: HugePages}", "HugePages is not supported"),
        ])
    func refusals(volume: String, reason: String) {
        let error = #expect(throws: AdapterError.self) { try files(pod(volume)) }
        #expect(error?.message.contains(reason) == true, "\(error?.message ?? "")")
    }

    @Test func `a path that is too long, too deep or one of too many is refused`() throws {
        var files = VolumeFiles()
        #expect(throws: AdapterError.self) { try files.add("x\0y", [], mode: 0) }
        #expect(throws: AdapterError.self) { try files.add(String(repeating: "x", count: 256), [], mode: 0) }
        #expect(throws: AdapterError.self) { try files.add(String(repeating: "x/", count: 1 << 19), [], mode: 0) }
        #expect(throws: AdapterError.self) {
            try files.add(Array(repeating: "x", count: 65).joined(separator: "/"), [], mode: 0)
        }
        for number in 0..<VolumeFiles.maximumCount { try files.add("\(number)", [], mode: 0) }
        #expect(throws: AdapterError.self) { try files.add("x", [], mode: 0) }
        var large = VolumeFiles()
        let megabyte = [UInt8](repeating: 1, count: 1 << 20)
        for number in 0..<64 { try large.add("\(number)", megabyte, mode: 0) }
        // The same again takes nothing more.
        try large.add("1", megabyte, mode: 0)
        #expect(throws: AdapterError.self) { try large.add("x", megabyte, mode: 0) }
    }

    @Test func `an fsGroup may read what is in a volume, and a token nobody else`() throws {
        var material = Self.material
        let token = "projected: {sources: [{serviceAccountToken: {path: t, audience: vault, expirationSeconds: 600}}]}"
        material.tokens[
            TokenKey(
                TokenProjection {
                    $0.audience = "vault"; $0.expirationSeconds = 600
                }, of: pod(token))] = "secret"
        #expect(try files(pod(token), material) == ["t 644 secret"])
        #expect(try files(pod(token, more: "securityContext: {fsGroup: 7}"), material) == ["t 640 secret"])
        let owned = pod(token, more: "securityContext: {runAsUser: 5}")
        #expect(try files(owned, material) == ["t 600 secret"])
        let sources = VolumeSources(pod: owned, context: Sample.context, material: material)
        #expect(try sources.content(of: owned.spec.volumes[0])?.files.first?.owner == 5)
        #expect(
            try files(pod("secret: {secretName: s, defaultMode: 256}", more: "securityContext: {fsGroup: 7}"))
                == ["p 440 hidden"])
        #expect(throws: AdapterError.self) { try files(pod(token)) }
    }

    @Test func `empty directories are the container's, with their limit`() throws {
        let pod = pod("emptyDir: {medium: Memory, sizeLimit: 1Mi}", more: "securityContext: {fsGroup: 7}")
        let sources = VolumeSources(pod: pod, context: Sample.context, material: VolumeMaterial())
        let content = try #require(try sources.content(of: pod.spec.volumes[0]))
        #expect(content.isWritable && content.isMemory && content.sizeLimit == 1 << 20 && content.group == 7)
        #expect(try sources.content(of: Volume { $0.hostPath = HostPathVolume { $0.path = "/" } }) == nil)
    }

    @Test func `trust bundles are one file with every certificate once`() throws {
        func certificate(_ body: String) -> String {
            "-----BEGIN CERTIFICATE-----\n\(body)\n-----END CERTIFICATE-----\n"
        }
        func bundle(_ name: String, _ text: String) -> ClusterTrustBundle {
            ClusterTrustBundle {
                $0.metadata.name = name
                $0.spec.trustBundle = text
            }
        }
        let long = String(repeating: "A", count: 70)
        let text = TrustBundles.pem([
            bundle("b", "words\n" + certificate("BBBB") + certificate(long)),
            bundle("a", certificate("CCCC") + certificate("BBBB")),
            bundle("c", "-----BEGIN CERTIFICATE-----\ncut"),
        ])
        #expect(
            text == certificate("CCCC") + certificate("BBBB") + certificate("\(long.prefix(64))\n\(long.dropFirst(64))")
        )
    }

    @Test func `volumes nobody mounts are not made, and those of objects are read-only`() {
        let pod = Sample.pod(
            yaml: """
                apiVersion: v1
                kind: Pod
                metadata: {name: web}
                spec:
                  volumes: [{name: a, emptyDir: {}}, {name: b, configMap: {name: m}}, {name: c, secret: {secretName: s}}]
                  initContainers: [{name: i, image: "busybox:1", volumeMounts: [{name: b, mountPath: /b}]}]
                  containers: [{name: c, image: "busybox:1", volumeMounts: [{name: a, mountPath: /a}]}]

                """)
        #expect(pod.mountedVolumes.map(\.name) == ["a", "b"])
        #expect(PodReferences(pod).objects == [ObjectKey(kind: .configMap, namespace: "default", name: "m")])
        #expect(pod.spec.volumes.map { $0.isReadOnly(in: pod) } == [false, true, true])
    }

    @Test func `what takes more than its limit is told in the kubelet's words`() {
        let pod = pod("emptyDir: {sizeLimit: 1Mi}")
        var use = VolumeUse(name: "v")
        use.usedBytes = 1 << 20
        #expect(PodVolumes.excess([use], in: pod) == nil)
        use.usedBytes += 1
        #expect(PodVolumes.excess([use], in: pod) == "Usage of EmptyDir volume \"v\" exceeds the limit \"1Mi\". ")
    }

    @Test(
        "tokens are renewed at four fifths of their life, and daily at least",
        arguments: [
            (3600, 0.0, 2880), (3600, 1.0, 2870), (600, 0.0, 480), (10, 0.0, 8), (31_536_000, 0.0, 86400), (-5, 0.5, 0),
        ])
    func renewal(life: Int64, jitter: Double, expected: Int64) {
        let start = Timestamp(seconds: 1_000_000)
        let renewal = TokenCache.renewal(received: start, expires: start.advanced(by: .seconds(life)), jitter: jitter)
        #expect(renewal == start.advanced(by: .seconds(expected)))
    }
}
