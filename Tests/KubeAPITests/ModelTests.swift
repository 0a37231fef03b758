import Testing

@testable import KubeAPI

@Suite struct ModelTests {
    func json(_ value: some KubeModel) -> String { String(decoding: value.encodedAlways().jsonBytes(), as: UTF8.self) }

    func decode<Model: KubeModel>(_: Model.Type, _ text: String) throws -> Model {
        try Model(Documents.json(Array(text.utf8)))
    }

    @Test("an empty pod is written as an API server writes it")
    func emptyPod() {
        #expect(
            json(Pod()) == #"{"kind":"Pod","apiVersion":"v1","metadata":{},"spec":{"containers":[]},"status":{}}"#)
    }

    @Test("a pod goes through unchanged, with what this version does not know")
    func roundTrip() throws {
        let text =
            #"{"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","creationTimestamp":"2024-02-29T12:34:56Z","#
            + #""labels":{"a":"b"},"managedFields":[{"manager":"x"}]},"spec":{"volumes":[{"name":"v","emptyDir":{}},"#
            + #"{"name":"h","hostPath":{"path":"/x","type":""}},{"name":"c","configMap":{"name":"m"}}],"#
            + #""containers":[{"name":"c","image":"i","args":["a/b\n\"ü\""],"ports":[{"containerPort":80}],"#
            + #""env":[{"name":"E"},{"name":"F","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}],"#
            + #""resources":{"limits":{"cpu":"500m","memory":"1Gi"}},"volumeMounts":[{"name":"v","mountPath":"/v"}],"#
            + #""livenessProbe":{"httpGet":{"path":"/","port":80},"periodSeconds":3},"#
            + #""securityContext":{"privileged":false,"runAsUser":0},"stdin":true,"futureField":{"x":1.5}}],"#
            + #""restartPolicy":"Sometimes","affinity":{"nodeAffinity":{}}},"#
            + #""status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastProbeTime":null,"#
            + #""lastTransitionTime":"2024-02-29T12:34:56Z"}],"podIPs":[{"ip":"10.0.0.1"}],"containerStatuses":["#
            + #"{"name":"c","state":{"running":{"startedAt":"2024-02-29T12:34:56Z"}},"lastState":{},"ready":true,"#
            + #""restartCount":0,"image":"i","imageID":"","started":true}],"qosClass":"Burstable"},"extra":[1,2]}"#
        #expect(json(try decode(Pod.self, text)) == text)
    }

    @Test("null and absent are the same")
    func null() throws {
        let pod = try decode(
            Pod.self, #"{"metadata":{"name":"p","labels":null,"creationTimestamp":null},"spec":{"containers":null}}"#)
        #expect(pod.metadata.labels.isEmpty && pod.metadata.creationTimestamp == nil && pod.spec.containers.isEmpty)
    }

    @Test("a list of pods does not repeat the kind of its items")
    func list() {
        let pod = Pod { $0.metadata.name = "p" }
        #expect(
            json(PodList(items: [pod]))
                == #"{"kind":"PodList","apiVersion":"v1","metadata":{},"items":[{"metadata":{"name":"p"},"#
                + #""spec":{"containers":[]},"status":{}}]}"#)
    }

    @Test("a failure is a Status")
    func status() {
        #expect(
            json(Status.failure(code: 404, reason: "NotFound", message: "pod gone"))
                == #"{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pod gone","#
                + #""reason":"NotFound","code":404}"#)
    }

    @Test("volumes say what they are, and kinds nobody knows are kept")
    func volumes() throws {
        let pod = try decode(
            Pod.self,
            #"{"spec":{"volumes":[{"name":"a"},{"name":"b","emptyDir":{"medium":"Memory"}},{"name":"c","secret":{}},"#
                + #"{"name":"d","nfs":{}}]}}"#)
        #expect(pod.spec.volumes[0].isUnspecified)
        #expect(pod.spec.volumes[1].emptyDir == EmptyDirVolume { $0.medium = "Memory" })
        #expect(pod.spec.volumes[2].secret == SecretVolume())
        #expect(pod.spec.volumes[3].unknownFields.map(\.name) == ["nfs"] && !pod.spec.volumes[3].isUnspecified)
    }

    @Test(
        "the pull policy follows the tag",
        arguments: [
            ("busybox", "Always"), ("busybox:latest", "Always"), ("busybox:1", "IfNotPresent"),
            ("host:5000/busybox", "Always"), ("host:5000/busybox:1.2", "IfNotPresent"),
            ("busybox@sha256:00", "IfNotPresent"), ("busybox:latest@sha256:00", "IfNotPresent"),
        ])
    func pullPolicy(image: String, policy: String) {
        #expect(Container.defaultPullPolicy(image: image).rawValue == policy)
    }

    @Test("defaults fill only what is open")
    func defaults() {
        var pod = Pod {
            $0.spec.containers = [
                Container {
                    $0.image = "i"
                    $0.ports = [ContainerPort { $0.containerPort = 80 }]
                    $0.resources.limits = ["cpu": "2", "memory": "1Gi"]
                    $0.resources.requests = ["cpu": "1"]
                }
            ]
            $0.spec.hostNetwork = true
            $0.spec.terminationGracePeriodSeconds = 0
        }
        pod.applyDefaults()
        #expect(pod.metadata.namespace == "default" && pod.spec.restartPolicy == .always)
        #expect(pod.spec.terminationGracePeriodSeconds == 0)
        let container = pod.spec.containers[0]
        #expect(container.ports[0].hostPort == 80 && container.ports[0].protocol == "TCP")
        #expect(container.resources.requests == ["cpu": "1", "memory": "1Gi"])
        var again = pod
        again.applyDefaults()
        #expect(again == pod)
    }

    @Test("equal pods are equal bytes in canonical form, whatever the order of their fields")
    func canonical() throws {
        let one = try Documents.json(Array(#"{"b":1,"a":{"d":[1, 2],"c":"x"}}"#.utf8))
        #expect(String(decoding: one.canonicalJSONBytes(), as: UTF8.self) == #"{"a":{"c":"x","d":[1,2]},"b":1}"#)
    }
}
