import Testing

@testable import CRIShim

@Suite struct JSONTextTests {
    @Test func `text is escaped as JSON wants it`() {
        #expect(JSONText.quoted("a\"b\\c\n\u{1}é") == #""a\"b\\c\n\u0001é""#)
        #expect(
            JSONText.object([("n", .number(1)), ("f", .flag(true)), ("l", JSONText.array(["x", "y"]))])
                == #"{"n":1,"f":true,"l":["x","y"]}"#)
    }
}
