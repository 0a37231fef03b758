import Testing

@testable import KubeAPI

@Suite struct DocumentsTests {
    func manifest(_ text: String) -> Pod.Manifest { Pod.manifest(Array(text.utf8), file: "pods.yaml") }

    func pod(_ name: String) -> String {
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: \(name)\nspec:\n  containers:\n  - name: c\n    image: busybox\n"
    }

    @Test("documents are separated, and empty ones do not count")
    func documents() {
        let text = "# first\n---\n" + pod("a") + "---\n# nothing\n---  \n" + pod("b") + "...\n"
        let result = manifest(text)
        #expect(result.pods.map(\.metadata.name) == ["a", "b"])
        #expect(result.failures.isEmpty)
    }

    @Test("Windows line ends are line ends")
    func carriageReturns() {
        var text = ""
        for character in (pod("a") + "---\n" + pod("b")) { text += character == "\n" ? "\r\n" : String(character) }
        #expect(manifest(text).pods.map(\.metadata.name) == ["a", "b"])
    }

    @Test("an unreadable document is one failure with file and line, and the others are read")
    func broken() {
        let result = manifest(pod("a") + "---\nkind: [\n---\n" + pod("b"))
        #expect(result.pods.map(\.metadata.name) == ["a", "b"])
        #expect(result.failures.count == 1)
        #expect(result.failures.first?.message.hasPrefix("pods.yaml:1") == true, "\(result.failures)")
    }

    @Test("a field of the wrong type is named with its line")
    func wrongType() {
        let text = pod("a").replacing("image: busybox", "image: busybox\n    env:\n    - name: A\n      value: 1")
        #expect(
            manifest(text).failures.map(\.message) == [
                "pods.yaml:11: pod \"a\": spec.containers[0].env[0].value: expected a string, found a number "
                    + "(put it in quotes)"
            ])
    }

    @Test("what an API server would refuse is named with its line")
    func invalid() {
        let text = pod("a").replacing("    image: busybox\n", "")
        #expect(
            manifest(text).failures.map(\.message) == [
                "pods.yaml:7: pod \"a\": spec.containers[0].image: an image is needed"
            ])
    }

    @Test("other kinds are refused by name")
    func otherKind() {
        let result = manifest("apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: d}\n---\n" + pod("b"))
        #expect(result.failures.map(\.message) == ["pods.yaml:1: apps/v1 Deployment cannot run here, only v1 Pod can"])
        #expect(result.pods.count == 1)
    }

    @Test("lists stand for their items, in YAML and in JSON")
    func lists() {
        let item = #"{"metadata":{"name":"NAME"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#
        let list = #"{"kind":"PodList","apiVersion":"v1","items":[ITEM,OTHER]}"#
            .replacing("ITEM", with: item.replacing("NAME", with: "a")).replacing(
                "OTHER", with: item.replacing("NAME", with: "b"))
        #expect(manifest(list).pods.map(\.metadata.name) == ["a", "b"])
        #expect(manifest("---\n" + list).pods.map(\.metadata.name) == ["a", "b"])
        let general = "kind: List\napiVersion: v1\nitems:\n- " + pod("z").replacing("\n", "\n  ")
        #expect(manifest(general).pods.map(\.metadata.name) == ["z"])
    }

    @Test("YAML words mean what Go's reader makes of them")
    func scalars() throws {
        let text = """
            octal: 0644
            hex: 0x1F
            yes: yes
            quoted: "yes"
            text: hello
            tilde: ~
            float: 1.5
            version: 1.2.3
            base: &base {a: 1, b: 2}
            merged:
              <<: *base
              b: 3
            block: |
              one
              two

            """
        let value = try #require(try YAMLReader.read(text))
        #expect(value["octal"]?.kind == .int(420))
        #expect(value["hex"]?.kind == .int(31))
        #expect(value["quoted"]?.kind == .string("yes"))
        #expect(value["text"]?.kind == .string("hello"))
        #expect(value["tilde"]?.kind == .null)
        #expect(value["float"]?.kind == .double(1.5))
        #expect(value["version"]?.kind == .string("1.2.3"))
        #expect(value["merged"]?["a"]?.kind == .int(1))
        #expect(value["merged"]?["b"]?.kind == .int(3))
        #expect(value["block"]?.kind == .string("one\ntwo\n"))
    }

    @Test("hostile documents are refused, not crashed on")
    func hostile() {
        let bomb =
            "a: &a [x,x,x,x,x,x,x,x,x,x]\n"
            + zip("bcdefgh", "abcdefg").map {
                "\($0): &\($0) [" + Array(repeating: "*\($1)", count: 10).joined(separator: ",") + "]\n"
            }
            .joined()
        let texts = [
            bomb, String(repeating: "[", count: 100_000), String(repeating: "- ", count: 100_000),
            String(repeating: #"{"a":"#, count: 100_000), "a: *nobody", "\u{0}", "{", "a: 1\na: 2", "- 1", "just text",
        ]
        for text in texts {
            let result = manifest(text)
            #expect(result.pods.isEmpty)
            #expect(result.failures.count == 1, "\(text.prefix(20)): \(result.failures)")
        }
        #expect(Pod.manifest([0xFF, 0xFE, 0x41], file: "x").failures.map(\.message) == ["x: not UTF-8 text"])
        #expect(manifest("").failures.isEmpty)
    }
}

extension String {
    /// Every occurrence replaced.
    func replacing(_ text: String, _ other: String) -> String { replacing(text, with: other) }
}
