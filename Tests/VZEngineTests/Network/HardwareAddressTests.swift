import Testing
import VZEngine

@Suite struct HardwareAddressTests {
    /// Compared as texts, the first of these is in the second, and not in itself as other systems write it.
    @Test func `hardware addresses are compared as bytes, not as texts of which one may be in the other`() throws {
        let one = try #require(HardwareAddress("02:00:5e:00:00:01"))
        #expect(HardwareAddress("2:0:5e:0:0:1") == one)
        #expect(HardwareAddress("02-00-5E-00-00-01") == one)
        #expect("\(one)" == "02:00:5e:00:00:01")
        #expect(HardwareAddress(bytes: one.bytes) == one)
        let other = try #require(HardwareAddress("2:0:5e:0:0:11"))
        #expect("2:0:5e:0:0:11".contains("2:0:5e:0:0:1"))
        #expect(other != one)
    }

    @Test(arguments: [
        "", "02:00:5e:00:00", "02:00:5e:00:00:01:02", "02:00:5e:00:00:001", "02:00:5e:00:00:", "02:00:5e:00:00:0g",
        "02005e000001", "+2:00:5e:00:00:01", "02:00:5e:00:00: 1", "1,2:0:5e:0:0:1",
    ]) func `what is no hardware address is none`(text: String) { #expect(HardwareAddress(text) == nil) }

    @Test func `who gave an address can be told`() throws {
        #expect(HardwareAddress("02:00:00:00:00:00")?.isLocallyAdministered == true)
        #expect(HardwareAddress("00:1b:21:00:00:00")?.isLocallyAdministered == false)
        #expect(HardwareAddress("01:00:5e:00:00:01")?.isGroup == true)
        #expect(HardwareAddress(bytes: [1, 2, 3]) == nil)
    }
}
