import NIOCore
import NIOHTTP1
import Testing

@testable import Registry

@Suite struct PureTests {
    @Test(
        "challenges are read, however they are written",
        arguments: [
            ([#"Basic realm="x""#], ["basic"], ["realm": "x"]),
            (
                [#"Bearer realm="https://a/t",service="s, \"q\"",scope="repository:a/b:pull,push""#], ["bearer"],
                ["realm": "https://a/t", "service": #"s, "q""#, "scope": "repository:a/b:pull,push"]
            ),
            (
                [#"Negotiate, Bearer Realm = "r" , service=s"#], ["negotiate", "bearer"],
                ["realm": "r", "service": "s"]
            ),
            (["Basic realm=\"a\"", "Bearer realm=\"b\""], ["basic", "bearer"], ["realm": "b"]),
            ([#"Bearer realm="unfinished"#], ["bearer"], [:]),
            ([""], [], [:]),
        ] as [([String], [String], [String: String])])
    func challenges(fields: [String], schemes: [String], last: [String: String]) {
        let read = Challenge.parse(fields)
        #expect(read.map(\.scheme) == schemes)
        #expect(read.last?.parameters ?? [:] == last)
    }

    @Test(
        "addresses are taken apart",
        arguments: [
            ("https://a.example", "https://a.example", "/"),
            ("HTTP://A.example:5000/v2/?n=1#f", "http://a.example:5000", "/v2/?n=1"),
            ("https://[::1]:444/x", "https://[::1]:444", "/x"),
            ("https://a:443/x", "https://a", "/x"),
        ])
    func addresses(text: String, origin: String, target: String) throws {
        let address = try #require(WebAddress(text))
        #expect(address.origin.description == origin)
        #expect(address.target == target)
    }

    @Test(
        "what is no web address is none",
        arguments: [
            "", "a", "ftp://a/", "http://", "http://u@h/", "http://a:0/", "http://a:x/", "http://a b/", "http://a:1:2/",
        ])
    func noAddress(text: String) { #expect(WebAddress(text) == nil) }

    @Test(
        "a Location leads on from where it came",
        arguments: [
            ("https://b/x?y", "https://b/x?y"), ("//b/x", "https://b/x"), ("/x?y=1", "https://a/x?y=1"),
            ("?z=1", "https://a/v2/p?z=1"), ("q", "https://a/v2/q"), ("../q", nil), ("", nil), ("mailto:x", nil),
        ] as [(String, String?)])
    func following(location: String, wanted: String?) throws {
        let address = try #require(WebAddress("https://a/v2/p?s=1"))
        #expect(address.following(location)?.url == wanted)
    }

    @Test(
        "parts of contents are read",
        arguments: [
            ("bytes 0-499/1234", 0..<500, 1234), ("Bytes 5-5/*", 5..<6, nil), ("bytes */10", nil, nil),
            ("bytes 5-4/10", nil, nil), ("bytes 0-9/5", nil, nil), ("items 0-9/10", nil, nil), ("bytes 0-9", nil, nil),
        ] as [(String, Range<Int64>?, Int64?)])
    func contentRanges(text: String, range: Range<Int64>?, total: Int64?) {
        #expect(ContentRange(text)?.range == range)
        #expect(ContentRange(text)?.total == total)
    }

    @Test(
        "proxies are taken where the variables say so",
        arguments: [
            ("https://registry.example/", "p:1"), ("http://registry.example/", "q:80"), ("https://a.corp/", nil),
            ("https://corp/", nil), ("https://acorp/", "p:1"), ("https://10.1.2.3/", nil), ("https://11.1.2.3/", "p:1"),
            ("https://x.example:5000/", nil), ("https://x.example/", "p:1"), ("https://localhost/", nil),
            ("http://127.0.0.1:5000/", nil),
        ] as [(String, String?)])
    func proxies(address: String, wanted: String?) throws {
        let rules = try ProxyRules(environment: [
            "HTTPS_PROXY": "http://u:p%40ss@p:1/", "http_proxy": "q", "no_proxy": ".corp, 10.0.0.0/8,x.example:5000",
        ])
        let proxy = rules.proxy(for: try #require(WebAddress(address)).origin)
        #expect(proxy.map { "\($0.host):\($0.port)" } == wanted)
        if wanted == "p:1" { #expect(proxy?.password == "p@ss") }
    }

    @Test(
        "a proxy that is none is refused, and not shown",
        arguments: ["socks5://secret:1", "http://", "http://secret:x"])
    func noProxy(text: String) {
        #expect { try ProxyRules(environment: ["HTTPS_PROXY": text]) } throws: { error in
            (error as? RegistryError)?.code == .invalidArgument && !"\(error)".contains("secret")
        }
    }

    @Test(
        "plain HTTP is for this machine, and for whom it is configured",
        arguments: [
            ("registry.example", "https://registry.example"), ("localhost:5000", "http://localhost:5000"),
            ("127.0.0.1:5000", "http://127.0.0.1:5000"), ("127.0.0.1.example", "https://127.0.0.1.example"),
            ("plain.example:5000", "http://plain.example:5000"), ("plain.example:6000", "https://plain.example:6000"),
            ("a.lab.example", "http://a.lab.example"), ("lab.example", "https://lab.example"),
            ("localhost:7000", "https://localhost:7000"), ("[::1]:5000", "http://[::1]:5000"),
        ])
    func schemes(host: String, wanted: String) throws {
        var configuration = RegistryConfiguration()
        var plain = RegistryRule(host: "plain.example:5000")
        plain.plainHTTP = true
        var lab = RegistryRule(host: "*.lab.example")
        lab.plainHTTP = true
        var local = RegistryRule(host: "localhost:7000")
        local.authorities = "/ca.pem"
        configuration.rules = [plain, lab, local]
        #expect(try configuration.origin(host).description == wanted)
    }

    @Test(
        "mirrors are hosts with or without a scheme and a prefix",
        arguments: [
            ("m.example", "https://m.example", ""), ("http://m:1/a/b/", "http://m:1", "a/b/"),
            ("localhost:5000/hub", "http://localhost:5000", "hub/"),
        ])
    func mirrors(text: String, origin: String, prefix: String) throws {
        let mirror = try RegistryConfiguration().mirror(text)
        #expect(mirror.origin.description == origin)
        #expect(mirror.prefix == prefix)
    }

    @Test(
        "patterns of hosts",
        arguments: [("*", true), ("*.a.example", true), ("a:5000", true), ("a/b", false), ("a*", false)])
    func patterns(text: String, isValid: Bool) { #expect(RegistryRule(host: text).isValid == isValid) }

    @Test(
        "every form of credentials is understood",
        arguments: [
            (["u", "p", "", "", ""], .basic(user: "u", password: "p")),
            (["", "", "dTpwOnE=", "", ""], .basic(user: "u", password: "p:q")),
            (["u", "p", "", "i", ""], .identityToken("i")), (["u", "p", "", "i", "r"], .registryToken("r")),
            (["<token>", "i", "", "", ""], .identityToken("i")), (["", "", "", "", ""], nil),
        ] as [([String], RegistryCredentials?)])
    func credentials(parts: [String], wanted: RegistryCredentials?) throws {
        let read = try RegistryCredentials(
            user: parts[0], password: parts[1], auth: parts[2], identityToken: parts[3], registryToken: parts[4])
        #expect(read == wanted)
    }

    @Test func `credentials that cannot be read are refused, and none are ever printed`() {
        #expect(throws: RegistryError.self) { try RegistryCredentials(auth: "!!") }
        let secret = RegistryCredentials.basic(user: "user", password: "hidden")
        #expect(!"\(secret)".contains("hidden"))
        #expect(!String(reflecting: [secret]).contains("hidden"))
        var text = ""
        dump(secret, to: &text)
        #expect(!text.contains("hidden"))
    }

    @Test(
        "credentials are for the server they name",
        arguments: [
            ("", "a", true), ("a", "a", true), ("https://a/v1/", "a", true), ("b", "a", false), ("a:5000", "a", false),
            ("https://index.docker.io/v1/", "docker.io", true), ("registry-1.docker.io", "docker.io", true),
        ])
    func servers(server: String, registry: String, wanted: Bool) {
        #expect(RegistryCredentials.isServer(server, registry: registry) == wanted)
    }

    @Test func `a scope holds what was wanted and what the registry says, nothing twice`() {
        #expect(Scope.push("a").adding("repository:a:pull").texts == ["repository:a:pull,push"])
        #expect(Scope.pull("a").adding("repository:b:pull").texts == ["repository:a:pull", "repository:b:pull"])
        #expect(Scope.mount(to: "z", from: "b").texts == ["repository:b:pull", "repository:z:pull,push"])
    }

    @Test(
        "a pause that is asked for is read",
        arguments: [
            (["Retry-After": "7"], Duration.seconds(7)), (["Retry-After": "-7"], .zero), ([:], nil),
            (
                ["Retry-After": "Sun, 06 Nov 1994 08:49:37 GMT", "Date": "Sun, 06 Nov 1994 08:49:07 GMT"],
                .seconds(30)
            ), (["Retry-After": "soon"], nil),
        ] as [([String: String], Duration?)])
    func pauses(headers: [String: String], wanted: Duration?) {
        #expect(RegistryError.retryAfter(HTTPHeaders(headers.map { ($0.key, $0.value) })) == wanted)
    }

    @Test func `waits get longer, are never alike, and have an end`() {
        let timing = RegistryTiming()
        for tried in 1...40 {
            let pause = Retries.pause(tried, timing)
            #expect(pause <= timing.longestWait && pause >= timing.firstWait * 0.5)
        }
        #expect(Set((0..<20).map { _ in Retries.pause(3, timing) }).count > 1)
    }

    @Test func `a list gives the manifest for the platform, and an attestation is none`() {
        func entry(_ digit: Character, _ os: String?, _ architecture: String = "arm64", _ variant: String? = nil)
            -> Descriptor
        {
            Descriptor(
                mediaType: MediaType.manifest, digest: "sha256:" + String(repeating: digit, count: 64), size: 1,
                platform: os.map { Platform(os: $0, architecture: architecture, variant: variant) })
        }
        let both = OCIIndex(manifests: [
            entry("1", "unknown", "unknown"), entry("2", "linux"), entry("3", "darwin"), entry("4", "linux", "amd64"),
        ])
        #expect(
            both.entry(for: [.init(os: "darwin", architecture: "arm64"), .init(os: "linux", architecture: "arm64")])
                == entry("3", "darwin"))
        #expect(both.entry(for: [.init(os: "linux", architecture: "amd64")]) == entry("4", "linux", "amd64"))
        #expect(both.entry(for: [.init(os: "windows", architecture: "amd64")]) == nil)
        #expect(OCIIndex(manifests: [entry("5", nil)]).entry(for: []) == entry("5", nil))
        #expect(
            OCIIndex(manifests: [entry("6", "linux", "arm64", "v8")]).entry(
                for: [.init(os: "linux", architecture: "arm64")]) == entry("6", "linux", "arm64", "v8"))
    }
}
