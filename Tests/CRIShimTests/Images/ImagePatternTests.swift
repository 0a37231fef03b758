import Testing

@testable import CRIShim

@Suite struct ImagePatternTests {
    @Test(
        "a pattern fits whole names: * within a part, ** across parts, ? one character",
        arguments: [
            ("registry.example/vms/*", "registry.example/vms/sonoma:15", true),
            ("registry.example/vms/*", "registry.example/vms/mac/sonoma:15", false),
            ("registry.example/vms/**", "registry.example/vms/mac/sonoma:15", true),
            ("registry.example/vms/**", "registry.example/vms", false),
            ("registry.example/**/sonoma", "registry.example/a/b/sonoma:15", true),
            ("registry.example/**/sonoma:*", "registry.example/a/b/sonoma:15", true),
            ("registry.example/**/sonoma:14", "registry.example/a/b/sonoma:15", false),
            ("*/vms/*", "registry.example:5000/vms/a", true),
            ("**", "anything/at/all", true),
            ("*", "busybox", true),
            ("*", "docker.io/team/a", false),
            ("mac-1?", "mac-15", true),
            ("mac-1?", "mac-1", false),
            ("a?c", "a/c", false),
            ("a*b*c", "axxbxxbyyc", true),
            ("a*b*c", "axxbxxbyy", false),
            ("**a*b", "x/aab/ab", true),
            ("**a*b", "x/ab/a", false),
            ("sonoma", "sonoma:15", true),
            ("sonoma:latest", "sonoma", true),
            ("sonoma:latest", "sonoma:15", false),
            ("docker.io/library/sonoma", "sonoma:15", true),
            ("sonoma", "docker.io/library/sonoma:15", true),
            ("vms/*", "docker.io/vms/a", true),
            ("docker.io/vms/*", "vms/a:1", true),
            ("vms/*", "registry.example/vms/a", false),
            ("Not a name?", "x", false),
        ])
    func fits(pattern: String, name: String, expected: Bool) throws {
        guard !pattern.contains(" ") else {
            #expect(ImagePattern(pattern) == nil)
            return
        }
        #expect(try #require(ImagePattern(pattern)).matches(name) == expected)
    }

    @Test("a name by digest fits a pattern for its repository")
    func digests() throws {
        let digest = "sha256:" + String(repeating: "a", count: 64)
        #expect(try #require(ImagePattern("vms/*")).matches("vms/a@\(digest)"))
        #expect(try #require(ImagePattern("vms/a@*")).matches("vms/a@\(digest)"))
    }

    @Test("what is no image's name is compared as it stands, and nothing hangs on a bad pattern")
    func odd() throws {
        #expect(try #require(ImagePattern("A*")).matches("ABC"))
        #expect(
            !(try #require(ImagePattern(String(repeating: "*a", count: 40) + "b"))).matches(
                String(repeating: "a", count: 4000)))
        #expect(
            !(try #require(ImagePattern(String(repeating: "**a", count: 40) + "b"))).matches(
                String(repeating: "a", count: 4000)))
        #expect(ImagePattern("") == nil)
    }
}
