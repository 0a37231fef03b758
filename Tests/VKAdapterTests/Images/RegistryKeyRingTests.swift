import Foundation
import KubeAPI
import Testing

@testable import VKAdapter

struct RegistryKeyRingTests {
    private func ring(_ auths: String, type: String = "kubernetes.io/dockerconfigjson") throws -> RegistryKeyRing {
        var ring = RegistryKeyRing()
        let isOld = type == "kubernetes.io/dockercfg"
        let text = isOld ? auths : #"{"auths":\#(auths)}"#
        try ring.add(
            Secret {
                $0.metadata.name = "pull"
                $0.type = type
                $0.data[isOld ? ".dockercfg" : ".dockerconfigjson"] = Data(text.utf8).base64EncodedString()
            })
        return ring
    }

    private static func entry(_ user: String) -> String { #"{"username":"\#(user)","password":"p"}"# }

    @Test(
        arguments: [
            ("registry.example/team/app:1", ["team", "all"]), ("registry.example/other:1", ["all"]),
            ("registry.example:5000/team/app", []), ("other.example/team/app", []), ("busybox:1", ["hub"]),
            ("library/busybox", ["hub"]), ("docker.io/team/app", ["hub"]), ("localhost/app", []),
            ("eu.cloud.example/app", ["star"]), ("a.b.cloud.example/app", []), ("port.example:5000/app", ["port"]),
            ("v1.example/app", ["old"]), ("v1.example/team/app", ["old"]),
        ])
    func `what names the longest part of the image comes first`(_ image: String, _ users: [String]) throws {
        let ring = try ring(
            """
            {"https://registry.example":\(Self.entry("all")),"registry.example/team":\(Self.entry("team")),
            "https://index.docker.io/v1/":\(Self.entry("hub")),"*.cloud.example":\(Self.entry("star")),
            "port.example:5000":\(Self.entry("port")),"http://v1.example/v2/":\(Self.entry("old"))}
            """)
        #expect(ring.credentials(for: image).map(\.username) == users)
    }

    @Test func `name and password may stand together, with tokens beside, and in the older form`() throws {
        let auth = Data("me:pass:word".utf8).base64EncodedString()
        let new = try ring(#"{"r.example":{"auth":"\#(auth)","identitytoken":"t","registrytoken":"u"}}"#)
        let login = try #require(new.credentials(for: "r.example/a").first)
        #expect(login.username == "me" && login.password == "pass:word")
        #expect(login.identityToken == "t" && login.registryToken == "u")
        let old = try ring(#"{"r.example":\#(Self.entry("me"))}"#, type: "kubernetes.io/dockercfg")
        #expect(old.credentials(for: "r.example/a").map(\.username) == ["me"])
        let bare = auth.replacingOccurrences(of: "=", with: "")
        #expect(try ring(#"{"r.example":{"auth":"\#(bare)"}}"#).credentials(for: "r.example/a").count == 1)
    }

    @Test func `a secret of another kind or with something else in it is refused without showing it`() {
        var ring = RegistryKeyRing()
        for (type, data) in [
            ("Opaque", [".dockerconfigjson": "e30="]), ("kubernetes.io/dockerconfigjson", [:]),
            ("kubernetes.io/dockerconfigjson", [".dockerconfigjson": Data("geheim".utf8).base64EncodedString()]),
        ] {
            let secret = Secret {
                $0.metadata.name = "pull"
                $0.type = type
                $0.data = data
            }
            let error = #expect(throws: AdapterError.self) { try ring.add(secret) }
            #expect(error?.description.contains("pull") == true && error?.description.contains("geheim") == false)
        }
    }

    @Test(
        arguments: [
            ("busybox", true), ("busybox:1.36", true), ("registry.example:5000/team/app_x/y--z:V1.0-a", true),
            ("app@sha256:" + String(repeating: "a", count: 64), true), ("localhost/App", false),
            ("localhost/app", true), ("a__b/c.d", true), ("[::1]:5000/app", true), ("sha256:abc", true),
            ("LOCALHOST/app", true), ("", false), ("Busybox", false), ("busybox:", false), ("busybox:a b", false),
            ("a//b", false), ("a...b", false), ("-a", false), ("a@sha256:xyz", false), ("a:b:c", false),
            ("registry.example:port/app", false), ("/a", false), ("a/", false), ("ä", false),
        ])
    func `what is no name of an image is said before anything is asked`(_ name: String, _ isName: Bool) {
        #expect((ImageName.problem(name) == nil) == isName)
    }

    @Test func `durations are told as Go prints them`() {
        #expect(GoDuration.text(.milliseconds(523)) == "523ms")
        #expect(GoDuration.text(.milliseconds(1500)) == "1.5s")
        #expect(GoDuration.text(.milliseconds(1007)) == "1.007s")
        #expect(GoDuration.text(.milliseconds(61_200)) == "1m1.2s")
        #expect(GoDuration.text(.seconds(3600)) == "1h0m0s")
        #expect(GoDuration.text(.zero) == "0s")
    }
}
