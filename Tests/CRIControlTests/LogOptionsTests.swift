import Testing

@testable import CRIControl

@Suite("Log options")
struct LogOptionsTests {
    @Test(
        "spans are read",
        arguments: [("10s", 10), ("5m", 300), ("2h", 7200), ("1h30m", 5400), ("1d", 86_400)] as [(String, Int64)])
    func spans(text: String, seconds: Int64) {
        #expect(LogOptions.span(text) == seconds * 1_000_000_000)
    }

    @Test(
        "times are read",
        arguments: [
            ("1970-01-01T00:00:00Z", 0), ("2024-02-29T12:00:00Z", 1_709_208_000_000_000_000),
            ("2024-03-01T00:00:00.5+01:00", 1_709_247_600_500_000_000), ("1969-12-31T23:59:59Z", -1_000_000_000),
            ("2026-11-21T05:00:00.123456789123Z", 1_795_237_200_123_456_789),
        ] as [(String, Int64)])
    func times(text: String, nanoseconds: Int64) {
        #expect(LogOptions.time(text) == nanoseconds)
    }

    @Test(
        "what is neither is refused",
        arguments: ["", "s", "5", "5x", "-5s", "2024-13-01T00:00:00Z", "2024-01-01", "99999999999999999999s"])
    func refused(text: String) {
        let error = #expect(throws: ControlError.self) {
            try LogOptions(follow: false, tail: nil, since: text, timestamps: false, now: 0)
        }
        #expect(error?.code == .invalidArgument)
    }

    @Test("a span counts back from now")
    func relative() throws {
        let options = try LogOptions(follow: true, tail: 3, since: "2s", timestamps: false, now: 5_000_000_000)
        #expect(options.since == 3_000_000_000)
        #expect(throws: ControlError.self) {
            try LogOptions(follow: true, tail: -1, since: nil, timestamps: false, now: 0)
        }
    }
}
