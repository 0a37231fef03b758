import Testing

@testable import KubeAPI

/// Damaged input: never a crash, and what is accepted goes through unchanged.
@Suite struct MutationTests {
    /// Repeatable: a failure shows again.
    struct Generator: RandomNumberGenerator {
        var state: UInt64
        mutating func next() -> UInt64 {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return state
        }
    }

    static let yaml = """
        apiVersion: v1
        kind: Pod
        metadata: {name: web, labels: {a: "b"}, creationTimestamp: "2024-02-29T12:34:56Z"}
        spec:
          volumes: [{name: v, emptyDir: {sizeLimit: 1Gi}}]
          containers:
          - name: c
            image: busybox:1
            args: [&x "a", *x, 'it''s']
            resources: {limits: {cpu: 500m, memory: 1.5e3}}
            volumeMounts:
            - {name: v, mountPath: /v}
            command:
            - |
              one
              two
        """
    static let json =
        #"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p\u00e9\ud83d\ude00"},"spec":{"containers":[{"name":"c","#
        + #""image":"i","env":[{"name":"A","value":"\n\\"}],"ports":[{"containerPort":80}],"#
        + #""x":[1.5e-3,-2,true,null]}]}}"#

    @Test("no damage crashes the readers", arguments: [yaml, json])
    func mutations(text: String) throws {
        var random = Generator(state: 0x9E37_79B9_7F4A_7C15)
        let original = Array(text.utf8)
        let interesting = Array("{}[]\"':,-&*|>\\#!%@`0aeE.+\n \t\0\u{7F}".utf8) + [0x80, 0xC3, 0xFF]
        for _ in 0..<1500 {
            var bytes = original
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = bytes.indices.randomElement(using: &random) ?? 0
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes[index] = interesting.randomElement(using: &random) ?? 0
                case 1: bytes.remove(at: index)
                case 2: bytes.insert(interesting.randomElement(using: &random) ?? 0, at: index)
                default: bytes = Array(bytes[..<max(index, 1)])
                }
            }
            for pod in Pod.manifest(bytes, file: "f").pods {
                let written = pod.encodedAlways().jsonBytes()
                let again = try Pod(Documents.json(written))
                #expect(again == pod)
            }
        }
    }
}
