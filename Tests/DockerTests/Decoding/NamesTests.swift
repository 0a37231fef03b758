import NIOCore
import Testing

@testable import Docker

@Suite("What calls are made of")
struct NamesTests {
    @Test(
        "the newest API both know is spoken",
        arguments: [
            ("1.41", "1.12", "1.41"), ("1.47", "1.24", "1.47"), ("1.52", "1.44", "1.47"), ("1.60", "1.50", "1.50"),
            ("1.40", nil, "1.40"), ("1.39", "1.12", nil), ("", nil, nil), ("1", nil, nil), ("1.x", nil, nil),
            ("1.45", "new", "1.45"),
        ] as [(String, String?, String?)])
    func versions(_ offered: String, _ lowest: String?, _ agreed: String?) {
        #expect(APIVersion.agreed(offered: offered, lowest: lowest)?.description == agreed)
    }

    @Test("1.9 is older than 1.10")
    func order() throws { #expect(try #require(APIVersion("1.9")) < #require(APIVersion("1.10"))) }

    @Test(
        "refusals have the engine's words",
        arguments: [
            (304, "", DockerError.Code.notModified, "304"), (400, #"{"message":"bad"}"#, .invalidArgument, "bad"),
            (404, #"{"message":"No such container: x"}"#, .notFound, "No such container: x"),
            (409, #"{"message":"in use"}"#, .conflict, "in use"),
            (500, #"{"message":"boom"}"#, .failed, "boom"), (503, "proxy down", .unavailable, "proxy down"),
            (502, "", .failed, "502"),
        ])
    func refusals(_ status: UInt, _ body: String, _ code: DockerError.Code, _ words: String) {
        let error = DockerError.refusal(status, ByteBuffer(string: body))
        #expect(error.code == code)
        #expect(error.message.contains(words))
    }

    @Test("names cannot become other paths", arguments: ["", ".", ".."])
    func segments(_ name: String) {
        #expect(throws: DockerError.self) { try DockerClient.segment(name) }
        #expect(throws: DockerError.self) { try DockerClient.path("a/\(name)/b") }
    }

    @Test(
        "names are escaped",
        arguments: [
            ("a/../b", "a%2F..%2Fb"), ("x?force=1", "x%3Fforce%3D1"), ("x y#z", "x%20y%23z"),
            ("plain_1.2-3", "plain_1.2-3"),
        ])
    func escaped(_ name: String, _ segment: String) throws { #expect(try DockerClient.segment(name) == segment) }

    @Test(
        "image names keep their slashes, colons and digests",
        arguments: [
            ("busybox", "busybox"), ("registry:5000/team/app:1", "registry:5000/team/app:1"),
            ("a@sha256:0", "a@sha256:0"), ("a?b", "a%3Fb"),
        ])
    func images(_ name: String, _ path: String) throws { #expect(try DockerClient.path(name) == path) }

    @Test(
        "times have nine places",
        arguments: [
            (0, "0.000000000"), (1, "0.000000001"), (1_500_000_000, "1.500000000"),
            (1_795_245_220_340_647_656, "1795245220.340647656"),
        ] as [(Int64, String)])
    func times(_ nanoseconds: Int64, _ text: String) { #expect(DockerClient.seconds(nanoseconds) == text) }
}
