import Testing

@testable import KubeAPI
@testable import VKAdapter

struct ClusterPodSetTests {
    @Test("a pod of the cluster that says it comes from a file is none that the node cannot do without")
    func disguised() throws {
        let disguised = Sample.pod {
            $0.metadata.annotations = [
                StaticPod.sourceAnnotation: "file", StaticPod.fileAnnotation: "a.yaml", "other": "kept",
            ]
        }
        #expect(disguised.isStatic && disguised.isCritical)
        var set = ClusterPodSet()
        guard case .changed(let pod) = set.take(.changed(disguised)) else {
            Issue.record("one pod is told as that")
            return
        }
        #expect(set.wanted.pods == [pod])
        #expect(!pod.isStatic && !pod.isCritical)
        #expect(pod.metadata.annotations == [StaticPod.sourceAnnotation: "api", "other": "kept"])
    }

    @Test("a mirror stays what it shows")
    func mirror() throws {
        let mirror = Sample.pod {
            $0.metadata.annotations = [StaticPod.sourceAnnotation: "file", StaticPod.mirrorAnnotation: "hash"]
        }
        var set = ClusterPodSet()
        _ = set.take(.changed(mirror))
        #expect(set.wanted.pods.isEmpty)
        #expect(set.mirrors.first?.metadata.annotations == mirror.metadata.annotations)
    }

    @Test("a pod that could be read before is wanted as it was, until it can be read again or is gone")
    func unreadable() throws {
        let pod = Sample.pod()
        let text = """
            {"metadata":{"namespace":"\(pod.metadata.namespace)","name":"\(pod.metadata.name)","uid":"\(pod.metadata.uid)"},
            "spec":7}
            """
        let broken = try UnreadableObject(
            Documents.json(Array(text.utf8)), because: DecodingIssue(path: "spec", line: 0, reason: "odd"))
        var set = ClusterPodSet()
        _ = set.take(.replaced([pod], unreadable: []))
        _ = set.take(.unreadable(broken))
        #expect(set.wanted.pods.count == 1 && set.wanted.unreadableUIDs.isEmpty)
        _ = set.take(.replaced([], unreadable: [broken]))
        #expect(set.wanted.pods.count == 1)
        guard case .everything = set.take(.removed(pod)) else {
            Issue.record("what nobody could read is told with all")
            return
        }
        #expect(set.wanted.pods.isEmpty && set.wanted.unreadableUIDs.isEmpty)
    }
}
