import KubeAPI
import Testing

@testable import VKAdapter

@Suite struct ManifestSetTests {
    func yaml(_ name: String, image: String = "busybox:1") -> [UInt8] {
        Array(
            """
            apiVersion: v1
            kind: Pod
            metadata: {name: \(name)}
            spec:
              containers:
              - {name: c, image: "\(image)"}

            """.utf8)
    }

    @Test("a pod is named after its node and marked with file and content")
    func naming() throws {
        var set = ManifestSet(nodeName: "Node-1")
        #expect(set.update("web.yaml", bytes: yaml("web"), path: "/m/web.yaml").isEmpty)
        let pod = try #require(set.pods().pods.first)
        #expect(pod.fullName == "default/web-node-1")
        #expect(pod.spec.nodeName == "Node-1")
        #expect(pod.metadata.annotations["kubernetes.io/config.source"] == "file")
        #expect(pod.metadata.annotations["kubernetes.io/config.hash"] == pod.metadata.uid)
        #expect(pod.metadata.annotations[StaticPod.fileAnnotation] == "web.yaml")
        #expect(pod.metadata.uid.split(separator: "-").map(\.count) == [8, 4, 4, 4, 12])
    }

    @Test("the UID is of node and content: not of file, order or formatting")
    func uid() throws {
        func uid(_ text: [UInt8], node: String = "n", file: String = "a.yaml") throws -> String {
            var set = ManifestSet(nodeName: node)
            _ = set.update(file, bytes: text, path: file)
            return try #require(set.pods().pods.first).metadata.uid
        }
        let first = try uid(yaml("web"))
        #expect(try uid(yaml("web")) == first)
        #expect(try uid(yaml("web"), file: "b.yml") == first)
        let json =
            #"{"kind":"Pod","spec":{"containers":[{"image":"busybox:1","name":"c"}]},"apiVersion":"v1","metadata":{"name":"web"}}"#
        #expect(try uid(Array(json.utf8), file: "b.json") == first)
        #expect(try uid(yaml("web"), node: "m") != first)
        #expect(try uid(yaml("web", image: "busybox:2")) != first)
    }

    @Test("a broken file gives one message and keeps what it had; others are not touched")
    func broken() {
        var set = ManifestSet(nodeName: "n")
        _ = set.update("a.yaml", bytes: yaml("a"), path: "/m/a.yaml")
        _ = set.update("b.yaml", bytes: yaml("b"), path: "/m/b.yaml")
        let before = set.pods().pods
        let failures = set.update("a.yaml", bytes: Array("apiVersion: v1\nkind: [Pod\n".utf8), path: "/m/a.yaml")
        #expect(failures.count == 1)
        #expect(failures.first?.message.contains("/m/a.yaml:") == true)
        #expect(set.pods().pods == before)
        #expect(set.brokenFiles == ["a.yaml"])
        #expect(set.update("a.yaml", bytes: yaml("a", image: "i:2"), path: "/m/a.yaml").isEmpty)
        #expect(set.brokenFiles == [])
        #expect(set.pods().pods.map(\.spec.containers[0].image) == ["i:2", "busybox:1"])
        set.keep(only: ["b.yaml"])
        #expect(set.pods().pods.map(\.metadata.name) == ["b-n"])
    }

    @Test("of a file with several documents the good ones count")
    func documents() {
        var set = ManifestSet(nodeName: "n")
        let text = yaml("a") + Array("---\n".utf8) + yaml("B@d") + Array("---\n".utf8) + yaml("c")
        #expect(set.update("a.yaml", bytes: text, path: "/m/a.yaml").count == 1)
        #expect(set.pods().pods.map(\.metadata.name) == ["a-n", "c-n"])
    }

    @Test("of two files with one pod the first counts, and the second is said once")
    func duplicates() {
        var set = ManifestSet(nodeName: "n")
        _ = set.update("b.yaml", bytes: yaml("web", image: "i:2"), path: "/m/b.yaml")
        _ = set.update("a.yaml", bytes: yaml("web"), path: "/m/a.yaml")
        let (pods, problems) = set.pods()
        #expect(pods.map(\.spec.containers[0].image) == ["busybox:1"])
        #expect(problems.count == 1)
        #expect(problems.first?.hasPrefix("b.yaml: the pod default/web-n is already in a.yaml") == true)
        #expect(set.pods().problems.isEmpty)
    }

    @Test(
        "hidden files, editors' temporaries and other endings are no manifests",
        arguments: [
            ("a.yaml", true), ("a.yml", true), ("a.json", true), (".a.yaml", false), ("a.yaml~", false),
            ("#a.yaml#", false), ("a.yaml.swp", false), ("a.txt", false), (".a.yaml.swp", false), ("4913", false),
        ])
    func names(name: String, isManifest: Bool) { #expect(StaticPod.isManifest(name) == isManifest) }
}
