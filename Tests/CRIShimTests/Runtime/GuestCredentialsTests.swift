import Support
import Testing
import VMImages
import VZEngine

@testable import CRIShim

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct GuestCredentialsTests {
    private func credentials() throws -> GuestCredentials {
        GuestCredentials(
            profiles: [
                GuestProfile(
                    name: nil, match: ImagePattern("mac/*"), login: .init(user: "admin", keyFile: "/admin.key")),
                GuestProfile(name: "ci", match: nil, login: .init(user: "ci", passwordFile: "/ci.pw")),
                GuestProfile(
                    name: "late", match: ImagePattern("**"), login: .init(user: "late", keyFile: "/late.key")),
            ],
            environment: GuestLogin(user: "env", keyFile: "/env.key", passwordFile: "/env.pw"))
    }

    private var withoutCatchAll: GuestCredentials {
        get throws {
            var credentials = try credentials()
            credentials.profiles.removeLast()
            return credentials
        }
    }

    @Test("the first profile that fits one of the image's names counts")
    func profiles() throws {
        let found = try credentials().resolve(names: ["x", "mac/sonoma:15"], image: nil, profile: nil)
        #expect(found?.user == "admin")
        #expect(found?.keyFile == "/admin.key")
        #expect(found?.passwordFile == nil)
        #expect(found?.port == 22)
        let image = VMImageLogin(user: "image", keyFile: "/image.key")
        #expect(try credentials().resolve(names: ["other/a"], image: image, profile: nil)?.user == "late")
    }

    @Test("a key's passphrase goes with the key, wherever that comes from")
    func passphrases() throws {
        var credentials = try credentials()
        credentials.environment.passphraseFile = "/env.words"
        credentials.profiles = [
            GuestProfile(
                name: nil, match: ImagePattern("a/*"),
                login: .init(user: "a", keyFile: "/a.key", passphraseFile: "/a.words")),
            GuestProfile(name: nil, match: ImagePattern("b/*"), login: .init(user: "b", keyFile: "/b.key")),
            GuestProfile(name: nil, match: ImagePattern("c/*"), login: .init(user: "c")),
        ]
        func words(_ name: String) throws -> String? {
            try credentials.resolve(names: [name], image: nil, profile: nil)?.passphraseFile
        }
        #expect(try words("a/1") == "/a.words")
        #expect(try words("b/1") == nil)
        #expect(try words("c/1") == "/env.words")
        #expect(try words("d/1") == "/env.words")
    }

    @Test("then the image's own user, with the environment's key where it has none")
    func images() throws {
        let own = try withoutCatchAll.resolve(
            names: ["a"], image: VMImageLogin(user: "image", keyFile: "/image.key"), profile: nil)
        #expect(own?.user == "image")
        #expect(own?.keyFile == "/image.key")
        #expect(own?.passwordFile == nil)
        let borrowed = try withoutCatchAll.resolve(names: ["a"], image: VMImageLogin(user: "image"), profile: nil)
        #expect(borrowed?.user == "image")
        #expect(borrowed?.keyFile == "/env.key")
        #expect(borrowed?.passwordFile == "/env.pw")
    }

    @Test("then the environment, and in the end nobody")
    func environment() throws {
        #expect(try withoutCatchAll.resolve(names: ["a"], image: nil, profile: nil)?.user == "env")
        var nobody = try withoutCatchAll
        nobody.environment = GuestLogin(keyFile: "/k")
        #expect(try nobody.resolve(names: ["a"], image: nil, profile: nil) == nil)
        // A key without a user is of use to who has a user.
        #expect(try nobody.resolve(names: ["a"], image: VMImageLogin(user: "u"), profile: nil)?.keyFile == "/k")
    }

    @Test("a pod may ask for a profile by name; one that is not there is said with those that are")
    func named() throws {
        let image = VMImageLogin(user: "image", keyFile: "/image.key")
        let found = try credentials().resolve(names: ["mac/sonoma"], image: image, profile: "ci")
        #expect(found?.user == "ci")
        #expect(found?.passwordFile == "/ci.pw")
        #expect(found?.keyFile == nil)
        let error = try #require(throws: ShimError.self) {
            try credentials().resolve(names: ["a"], image: nil, profile: "cy")
        }
        #expect(error.code == .invalidArgument)
        #expect(error.message.contains("\"cy\"") && error.message.contains("ci, late"))
    }

    @Test("a key and a password given in clear go into files that only we can read")
    func files() async throws {
        try await withTemporaryDirectory { directory in
            var login = GuestLogin(user: "u")
            #expect(try login.withFiles(in: directory + "/none") == login)
            login.key = Array("KEY".utf8)
            login.password = "geheim"
            let found = try login.withFiles(in: directory + "/guests")
            #expect(found.key == nil && found.password == nil && found.user == "u")
            let key = try #require(found.keyFile)
            #expect(try RootDirectory.read(key) == Array("KEY".utf8))
            #expect(try RootDirectory.read(try #require(found.passwordFile)) == Array("geheim".utf8))
            #expect(try mode(of: key) == 0o600)
            #expect(try mode(of: directory + "/guests") == 0o700)
        }
    }

    private func mode(of path: String) throws -> UInt32 {
        var status = stat()
        try #require(stat(path, &status) == 0)
        return UInt32(status.st_mode) & 0o777
    }
}
