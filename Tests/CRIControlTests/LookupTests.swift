import Testing

@testable import CRIControl

@Suite("Lookup")
struct LookupTests {
    private func one(
        _ id: String, _ name: String, pod: String = "web", live: Bool = true, created: Int64 = 1
    ) -> Lookup.Candidate {
        Lookup.Candidate(
            id: id, names: [name, "\(pod)/\(name)", "default/\(pod)/\(name)"], group: "default/\(pod)/\(name)",
            isLive: live, createdAt: created)
    }

    @Test("an id, its beginning, and every form of the name find the same thing")
    func forms() throws {
        let all = [one("abc123", "app"), one("abd456", "side")]
        for query in ["abc123", "abc", "app", "web/app", "default/web/app"] {
            #expect(try Lookup.find(query, among: all, kind: "container").id == "abc123", "\(query)")
        }
    }

    @Test("a name means the live attempt, else the newest")
    func attempts() throws {
        let dead = [one("a1", "app", live: false, created: 5), one("a2", "app", live: false, created: 9)]
        #expect(try Lookup.find("app", among: dead, kind: "container").id == "a2")
        let live = dead + [one("a3", "app", created: 7)]
        #expect(try Lookup.find("app", among: live, kind: "container").id == "a3")
    }

    @Test("what fits several is refused with the list")
    func ambiguous() {
        let all = [one("abc123", "app"), one("abd456", "app", pod: "db")]
        let error = #expect(throws: ControlError.self) { try Lookup.find("app", among: all, kind: "container") }
        #expect(error?.code == .ambiguous)
        #expect(error?.message.contains("default/db/app") == true)
        #expect(throws: ControlError.self) { try Lookup.find("ab", among: all, kind: "container") }
    }

    @Test("nothing found and nothing named are errors")
    func nothing() {
        #expect(throws: ControlError.self) { try Lookup.find("x", among: [one("abc", "app")], kind: "container") }
        #expect(throws: ControlError.self) { try Lookup.find("", among: [one("abc", "app")], kind: "container") }
    }

    @Test("an image's digest is found with and without its algorithm")
    func digests() throws {
        let all = [one("sha256:aa11", "busybox"), one("sha256:bb22", "nginx")]
        #expect(try Lookup.find("bb2", among: all, kind: "image").id == "sha256:bb22")
        #expect(try Lookup.find("sha256:aa", among: all, kind: "image").id == "sha256:aa11")
    }
}
