import Testing

@testable import CRIControl

@Suite("JSON")
struct JSONTests {
    private struct Inner: Hashable { var text = "a\"\\\n\u{1}é" }
    private struct Level: RawRepresentable, Hashable, CustomStringConvertible {
        var rawValue: Int32
        var description: String { "LEVEL_\(rawValue)" }
    }
    private struct Message {
        var podID = "p"
        var createdAt: Int64 = 5
        var attempt: UInt32 = 3
        var flag = true
        var inner: Inner? = Inner()
        var missing: Inner?
        var level = Level(rawValue: 2)
        var bytes: [UInt8] = Array("hello".utf8)
        var labels = ["b": "2", "a": "1"]
        var list = [Inner(text: "x")]
        var none: [String] = []
    }

    @Test("a message is written in protobuf's JSON form")
    func message() {
        #expect(
            JSON(message: Message()).text == """
                {
                  "podID": "p",
                  "createdAt": "5",
                  "attempt": 3,
                  "flag": true,
                  "inner": {
                    "text": "a\\"\\\\\\n\\u0001é"
                  },
                  "level": "LEVEL_2",
                  "bytes": "aGVsbG8=",
                  "labels": {
                    "a": "1",
                    "b": "2"
                  },
                  "list": [
                    {
                      "text": "x"
                    }
                  ],
                  "none": []
                }

                """)
    }
}
