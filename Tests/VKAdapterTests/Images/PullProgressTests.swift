import KubeAPI
import Proto
import Support
import Testing

@testable import VKAdapter

@Suite(.timeLimit(.minutes(2))) struct PullProgressTests {
    @Test(
        "how far a pull is, for people",
        arguments: [
            (PullProgress(done: 0, total: 0, perSecond: 0), "0 B"),
            (PullProgress(done: 1536, total: 1 << 20, perSecond: 1023), "1.5 KiB of 1.0 MiB (0%), 1023 B/s"),
            (
                PullProgress(done: 12 << 30, total: 25 << 30, perSecond: 85 << 20),
                "12.0 GiB of 25.0 GiB (48%), 85.0 MiB/s"
            ),
            (PullProgress(done: 7, total: 7, perSecond: 0), "7 B of 7 B (100%)"),
        ])
    func words(progress: PullProgress, text: String) { #expect(progress.text == text) }

    @Test("a long pull says how far it is when that has changed, and nothing where nobody tells")
    func told() async throws {
        try await ManagedPods.with {
            $0.progressInterval = .milliseconds(20)
        } _: { here in
            func progress(_ done: UInt64) -> HostAPI.PullProgress {
                .init {
                    $0.image = "large:1"
                    $0.bytesDone = done
                    $0.bytesTotal = 4 << 30
                }
            }
            here.runtime.edit {
                $0.registry.insert("large:1")
                $0.progress = ["large:1": progress(1 << 30), "other:1": .init { $0.image = "other:1" }]
            }
            here.want(ManagedPods.pod("web") { $0.spec.containers[0].image = "large:1" })
            func words() -> [String] { here.events.all.filter { $0.hasPrefix("web/web PullProgress: ") } }
            try await eventually("said") { words().count == 1 }
            here.runtime.edit { $0.progress?["large:1"] = progress(2 << 30) }
            try await eventually("said again") { words().count == 2 }
            #expect(words().last == "web/web PullProgress: Pulling image \"large:1\": 2.0 GiB of 4.0 GiB (50%)")
            here.runtime.edit { $0.progress = nil }
            try await eventually("ready") { here.isReady("web") }
            #expect(words().count == 2)
        }
    }

    @Test(
        "a group that cannot own a pod's volumes is told of",
        arguments: [
            (nil, false, nil), (2000, true, nil),
            (
                2000, false,
                "fsGroup 2000 does not hold: the host writes \"own\" as a user who can give nothing to a group: "
                    + "containers of that user, or of root, can use them"
            ),
        ] as [(Int64?, Bool, String?)])
    func groups(group: Int64?, keeps: Bool, words: String?) {
        var pod = ManagedPods.pod("web") { pod in
            pod.spec.securityContext = PodSecurityContext { $0.fsGroup = group }
            pod.spec.volumes = [
                Volume {
                    $0.name = "own"
                    $0.emptyDir = EmptyDirVolume()
                },
                Volume {
                    $0.name = "host"
                    $0.hostPath = HostPathVolume { $0.path = "/srv" }
                },
            ]
            pod.spec.containers[0].volumeMounts = ["own", "host"].map { name in
                VolumeMount {
                    $0.name = name
                    $0.mountPath = "/" + name
                }
            }
        }
        #expect(PodVolumes.groupProblem(pod, hostKeepsGroups: keeps) == words)
        pod.spec.volumes[0].emptyDir = nil
        pod.spec.volumes[0].persistentVolumeClaim = ClaimVolume { $0.claimName = "c" }
        #expect(
            PodVolumes.groupProblem(pod, hostKeepsGroups: true)
                == group.map { "fsGroup \($0) does not hold: the owner of \"own\" stays as it is on the host" })
    }
}
