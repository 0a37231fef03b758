import KubeAPI
import Testing

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
        let pod = try #require(set.take(.changed(disguised)).pods.first)
        #expect(!pod.isStatic && !pod.isCritical)
        #expect(pod.metadata.annotations == [StaticPod.sourceAnnotation: "api", "other": "kept"])
    }

    @Test("a mirror stays what it shows")
    func mirror() throws {
        let mirror = Sample.pod {
            $0.metadata.annotations = [StaticPod.sourceAnnotation: "file", StaticPod.mirrorAnnotation: "hash"]
        }
        var set = ClusterPodSet()
        #expect(set.take(.changed(mirror)).pods.first?.metadata.annotations == mirror.metadata.annotations)
    }
}
