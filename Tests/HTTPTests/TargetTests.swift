import NIOCore
import NIOHTTP1
import Testing

@testable import HTTP

@Suite struct TargetTests {
    @Test(arguments: [
        ("/", "/"), ("/a/b", "/a/b"), ("/a%20b", "/a b"), ("/a+b", "/a+b"), ("/%2525", "/%25"), ("/a%2Fb", "/a/b"),
        ("/a//b/", "/a//b/"), ("/...", "/..."), ("/.hidden", "/.hidden"), ("/%C3%BC", "/ü"), ("/a?b?c", "/a"),
    ])
    func `a path is decoded once`(target: String, path: String) throws {
        let request = try HTTPRequest(.GET, target)
        #expect(request.path == path)
        #expect(request.target == target)
    }

    @Test(arguments: [
        "", "a", "*", "http://x/", "/..", "/.", "/a/..", "/a/../b", "/%2e", "/%2E%2e/x", "/a%2f..%2fb", "/%00", "/a%0",
        "/%", "/%g0",
        "/%ff", "/%c0%ae", "/a?x=%00", "/a?%00=x", "/a?x=%f", "/a?%zz",
    ])
    func `a target that no handler should see is none`(target: String) {
        #expect(RequestTarget(target) == nil)
        #expect(throws: HTTPError.self) { _ = try HTTPRequest(.GET, target) }
    }

    @Test func `a query keeps its order, its repetitions and its empty values`() throws {
        let request = try HTTPRequest(.POST, "/exec?command=ls&command=-l+%2Ftmp&tty&stdin=&command=a%3Db=c&&x=1")
        #expect(request.queryValues("command") == ["ls", "-l /tmp", "a=b=c"])
        #expect(request.queryValue("tty") == "")
        #expect(request.queryValue("stdin") == "")
        #expect(request.queryValue("x") == "1")
        #expect(request.queryValue("y") == nil)
    }

    @Test func `what is encoded is decoded to itself`() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let scalars = (0..<Int.random(in: 0...20, using: &random)).compactMap { _ in
                Unicode.Scalar(UInt32.random(in: 1...0x2fff, using: &random))
            }
            let text = String(String.UnicodeScalarView(scalars))
            let request = try HTTPRequest(.GET, "/x" + PercentCoding.query([(text, text), ("b", text)]))
            #expect(request.query.map(\.name) == [text, "b"])
            #expect(request.queryValue("b") == text)
            #expect(HeadCheck.isTarget(request.target))
        }
    }

    @Test func `no bytes make the parser fail otherwise than by refusing`() {
        var random = SystemRandomNumberGenerator()
        let alphabet = Array("/%.?&=+2eEfF0\0a\u{7f}ü ".unicodeScalars)
        for _ in 0..<5000 {
            let scalars = (0..<Int.random(in: 0...24, using: &random)).map { _ in
                alphabet.randomElement(using: &random)!
            }
            guard let target = RequestTarget("/" + String(String.UnicodeScalarView(scalars))) else { continue }
            #expect(!target.path.utf8.contains(0))
            #expect(!target.path.split(separator: "/").contains { $0 == "." || $0 == ".." })
        }
    }

    @Test(arguments: [("upgrade", "a"), ("keep-alive, Upgrade", "a"), ("UPGRADE", "a")])
    func `an upgrade is seen`(connection: String, name: String) throws {
        let request = try HTTPRequest(.GET, "/", headers: ["Connection": connection, "Upgrade": name])
        #expect(request.upgrade == name)
    }

    @Test func `an upgrade that is not of this connection is none`() throws {
        #expect(try HTTPRequest(.GET, "/", headers: ["Upgrade": "h2c"]).upgrade == nil)
        #expect(try HTTPRequest(.GET, "/", headers: ["Connection": "close", "Upgrade": "h2c"]).upgrade == nil)
    }

    @Test(
        arguments: [
            (["a": "b"], true), (["a": ""], true), (["a": "b\tc"], true), (["a": "ü"], true), (["a": "b\r\nc"], false),
            (["a": "b\n"], false), (["a": "\0"], false), (["a": "\u{7f}"], false), (["": "b"], false),
            (["a b": "c"], false),
            (["a:": "c"], false), (["ü": "c"], false),
        ] as [([String: String], Bool)])
    func `headers that would break the head are found`(headers: [String: String], isSendable: Bool) {
        #expect((HeadCheck.unsendable(HTTPHeaders(headers.map { ($0.key, $0.value) })) == nil) == isSendable)
    }

    @Test func `a body that is there already is read like any other`() async throws {
        let request = try HTTPRequest(.POST, "/", body: ByteBuffer(string: "abc"))
        let body = try await request.body.collect(upTo: 3)
        #expect(String(buffer: body) == "abc")
        await #expect { _ = try await request.body.collect(upTo: 2) } throws: { ($0 as? HTTPError)?.code == .tooLarge }
        let nothing = try await HTTPBody.empty.collect(upTo: 0)
        #expect(nothing.readableBytes == 0)
    }
}
