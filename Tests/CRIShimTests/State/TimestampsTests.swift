import Testing

@testable import CRIShim

@Suite struct TimestampsTests {
    @Test(
        "reads the times Docker writes",
        arguments: [
            ("1970-01-01T00:00:00Z", 0),
            ("1970-01-01T00:00:01.000000002Z", 1_000_000_002),
            ("2026-11-21T04:51:07.123456789Z", 1_795_236_667_123_456_789),
            ("2026-11-21T04:51:07.5Z", 1_795_236_667_500_000_000),
            ("2026-11-21T05:51:07+01:00", 1_795_236_667_000_000_000),
            ("2000-02-29T12:00:00Z", 951_825_600_000_000_000),
        ])
    func reads(text: String, nanoseconds: Int64) {
        #expect(Timestamps.parse(text) == nanoseconds)
    }

    @Test(
        "Docker's zero time and nonsense are 0",
        arguments: ["0001-01-01T00:00:00Z", "", "yesterday", "2026-13-01T00:00:00Z"])
    func zero(text: String) {
        #expect(Timestamps.parse(text) == 0)
    }
}
