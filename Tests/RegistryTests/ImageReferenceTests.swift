import Registry
import Testing

@Suite struct ImageReferenceTests {
    static let digest = "sha256:" + String(repeating: "a", count: 64)

    @Test(
        "names are taken apart",
        arguments: [
            ("busybox", "busybox", nil, nil, "docker.io"),
            ("busybox:1.36", "busybox", "1.36", nil, "docker.io"),
            ("localhost:5000/x/y:t", "localhost:5000/x/y", "t", nil, "localhost:5000"),
            ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause", "3.9", nil, "registry.k8s.io"),
            ("a/b@\(Self.digest)", "a/b", nil, Self.digest, "docker.io"),
            ("a/b:t@\(Self.digest)", "a/b", "t", Self.digest, "docker.io"),
        ] as [(String, String, String?, String?, String)])
    func parts(text: String, name: String, tag: String?, digest: String?, registry: String) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.name == name)
        #expect(reference.tag == tag)
        #expect(reference.digest == digest)
        #expect(reference.registry == registry)
    }

    @Test(
        "what a registry is asked",
        arguments: [
            ("busybox", "registry-1.docker.io", "library/busybox", "latest"),
            ("index.docker.io/team/app:1", "registry-1.docker.io", "team/app", "1"),
            ("localhost:5000/x/y:t@\(Self.digest)", "localhost:5000", "x/y", Self.digest),
        ] as [(String, String, String, String)])
    func asked(text: String, host: String, repository: String, manifest: String) throws {
        let reference = try ImageReference(parsing: text)
        #expect(reference.registryHost == host)
        #expect(reference.repository == repository)
        #expect(reference.manifestName == manifest)
    }

    @Test(
        "what no registry could have is refused",
        arguments: ["", "Upper", "a b", "x:", "x@sha256:12", "//", "a/", "x:t:u"])
    func refused(text: String) {
        #expect { try ImageReference(parsing: text) } throws: { ($0 as? RegistryError)?.code == .invalidArgument }
    }

    @Test func `ids are told from names`() {
        #expect(ImageReference.isID(Self.digest))
        #expect(ImageReference.isID(String(repeating: "0", count: 64)))
        #expect(!ImageReference.isID("busybox"))
    }
}
