import Testing

@testable import KubeAPI

@Suite struct QuantityTests {
    @Test(
        "a quantity means what Kubernetes says it means",
        arguments: [
            ("0", 0, 0), ("1", 1, 1000), ("500m", 1, 500), ("1500m", 2, 1500), ("0.1", 1, 100), (".5", 1, 500),
            ("1k", 1000, 1_000_000), ("1Ki", 1024, 1_024_000), ("1.5Gi", 1_610_612_736, 1_610_612_736_000),
            ("128Mi", 134_217_728, 134_217_728_000), ("1e3", 1000, 1_000_000), ("1E3", 1000, 1_000_000),
            ("1E", 1_000_000_000_000_000_000, Int64.max), ("100n", 1, 1), ("1u", 1, 1), ("-1", -1, -1000),
            ("9Ei", Int64.max, Int64.max), ("99999999999999999999999999", Int64.max, Int64.max),
            ("0.0000000001", 1, 1), ("12.", 12, 12000), ("+3", 3, 3000),
        ] as [(String, Int64, Int64)])
    func values(text: String, value: Int64, milli: Int64) throws {
        let quantity = try #require(Quantity(text))
        #expect(quantity.value == value)
        #expect(quantity.milliValue == milli)
        #expect(quantity.description == text)
    }

    @Test(
        "what is no quantity is refused",
        arguments: ["", "m", "1 Gi", "1gi", "abc", "1e", "--1", "1.2.3", "0x10", "1Mib"])
    func refused(text: String) {
        #expect(Quantity(text) == nil)
    }

    @Test("quantities that mean the same are equal")
    func equality() {
        #expect(Quantity("1") == Quantity("1000m"))
        #expect(Quantity("1Gi") != Quantity("1G"))
    }
}

@Suite struct TimestampTests {
    @Test(
        "times are read and written in UTC",
        arguments: [
            ("1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00Z"),
            ("2024-02-29T12:34:56Z", 1_709_210_096, "2024-02-29T12:34:56Z"),
            ("2024-02-29T14:34:56+02:00", 1_709_210_096, "2024-02-29T12:34:56Z"),
            ("2024-02-29T12:34:56.987Z", 1_709_210_096, "2024-02-29T12:34:56Z"),
            ("1969-12-31T23:59:59Z", -1, "1969-12-31T23:59:59Z"),
            ("2000-03-01T00:00:00Z", 951_868_800, "2000-03-01T00:00:00Z"),
        ])
    func seconds(text: String, seconds: Int64, written: String) throws {
        let time = try #require(Timestamp(rfc3339: text))
        #expect(time.description == written)
        #expect(Int64((Double(time.nanosecondsSince1970) / 1e9).rounded(.down)) == seconds)
    }

    @Test("fractions survive to the nanosecond")
    func nanoseconds() {
        #expect(
            Timestamp(rfc3339: "2024-02-29T12:34:56.000000789Z")?.descriptionWithNanoseconds
                == "2024-02-29T12:34:56.000000789Z")
    }

    @Test(
        "what is no time is refused",
        arguments: ["", "now", "2024-02-29", "2024-13-01T00:00:00Z", "2024-02-29T12:34:56"])
    func refused(text: String) {
        #expect(Timestamp(rfc3339: text) == nil)
    }
}

@Suite struct ContentHashTests {
    @Test("SHA-256 of the examples of FIPS 180-4")
    func vectors() {
        #expect(
            ContentHash.sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(ContentHash.sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(
            ContentHash.sha256(Array("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq".utf8))
                == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    }
}
