import Support
import Testing

@testable import VZEngine

@Suite("Leases as DHCP servers note them")
struct LeaseFormatTests {
    private let card = HardwareAddress("02:00:5e:00:00:01")!
    private static let now: Int64 = 1_700_000_000

    private func addresses(_ format: LeaseFormat, _ text: String, now: Int64 = now) -> [String] {
        format.leases(in: Array(text.utf8), of: card, now: now).map { "\($0.address)" }
    }

    @Test func `dnsmasq: one line each, and zero is for ever`() {
        let text = """
            1700003600 02:00:5e:00:00:01 192.0.2.10 guest 01:02:00:5e:00:00:01
            1700003600 02:00:5e:00:00:11 192.0.2.11 * *
            1600000000 02:00:5e:00:00:01 192.0.2.12 over *
            0 02:00:5e:00:00:01 192.0.2.13 * *
            duid 00:01:00:01:2a
            1700003600 12345 2001:db8::1 * 00:01
            17000
            """
        #expect(addresses(.dnsmasq, text) == ["192.0.2.10", "192.0.2.13"])
    }

    @Test func `ISC: the last word on an address counts`() {
        let text = """
            # The format of this file is documented in the dhcpd.leases(5) manual page.
            authoring-byte-order little-endian;
            lease 192.0.2.20 {
              starts 2 2023/11/14 21:13:20;
              ends 2 2023/11/14 23:13:20;
              binding state active;
              next binding state free;
              hardware ethernet 02:00:5e:00:00:01;
              client-hostname "guest";
            }
            lease 192.0.2.21 {
              ends epoch 1700000060; # Tue Nov 14 22:14:20 2023
              binding state active;
              hardware ethernet 02:00:5e:00:00:01;
            }
            lease 192.0.2.22 { 
              ends never;
              binding state active;
              hardware ethernet 02:00:5e:00:00:01;
            }
            lease 192.0.2.23 {
              ends 2 2023/11/14 22:13:19;
              binding state active;
              hardware ethernet 02:00:5e:00:00:01;
            }
            lease 192.0.2.22 {
              ends never;
              binding state free;
              hardware ethernet 02:00:5e:00:00:01;
            }
            lease 192.0.2.24 {
              ends never;
              hardware ethernet 02:00:5e:00:00:11;
            }
            lease 192.0.2.25 {
            """
        #expect(addresses(.isc, text) == ["192.0.2.21", "192.0.2.20"])
    }

    @Test func `systemd-networkd: by the card, or by a client that is named after it`() {
        let text = """
            {"BootID":"a4b95e58b4094fa6a04a666af127a5bc","Address":[192,0,2,1],"PrefixLength":24,"Leases":[
            {"ClientId":[1,2,0,94,0,0,1],"Address":[192,0,2,30],"Hostname":"old","ExpirationRealtimeUSec":1700003600000000},
            {"ClientId":[255,1,2,3],"Address":[192,0,2,31],"HardwareAddress":[2,0,94,0,0,1],"ExpirationRealtimeUSec":1700007200000000},
            {"ClientId":[1,2,0,94,0,0,1],"Address":[192,0,2,32],"ExpirationRealtimeUSec":1600000000000000},
            {"ClientId":[1,2,0,94,0,0,17],"Address":[192,0,2,33]}]}
            """
        #expect(addresses(.networkd, text) == ["192.0.2.30", "192.0.2.31"])
        #expect(addresses(.networkd, String(text.dropLast(9))) == [], "it is being written")
    }

    @Test func `udhcpd: seconds since the time of writing`() {
        func lease(_ seconds: UInt32, _ address: [UInt8], _ mac: [UInt8]) -> [UInt8] {
            withUnsafeBytes(of: seconds.bigEndian) { Array($0) } + address + mac + [UInt8](repeating: 0, count: 22)
        }
        let bytes: [UInt8] =
            withUnsafeBytes(of: (Self.now - 60).bigEndian) { Array($0) }
            + lease(3600, [192, 0, 2, 40], [2, 0, 94, 0, 0, 1]) + lease(60, [192, 0, 2, 41], [2, 0, 94, 0, 0, 1])
            + lease(3600, [192, 0, 2, 42], [2, 0, 94, 0, 0, 17]) + [1, 2, 3]
        let found = LeaseFormat.udhcpd.leases(in: bytes, of: card, now: Self.now)
        #expect(found.map { "\($0.address)" } == ["192.0.2.40"])
        #expect(found.first?.end == Self.now + 3540)
    }

    /// The reference looks for `2:0:5e:0:0:1` as a text, and takes `2:0:5e:0:0:11`'s address for it.
    @Test func `bootpd: numbers without leading zeros, and of several leases of one card the newest counts`() {
        let text = """
            {
            \tname=other
            \tip_address=192.168.64.9
            \thw_address=1,2:0:5e:0:0:11
            \tidentifier=1,2:0:5e:0:0:11
            \tlease=0x6554ffff
            }
            {
            \tname=guest
            \tip_address=192.168.64.5
            \thw_address=1,2:0:5e:0:0:1
            \tidentifier=1,2:0:5e:0:0:1
            \tlease=0x65543f00
            }
            {
            \tname=guest
            \tip_address=192.168.64.4
            \thw_address=1,2:0:5e:0:0:1
            \tlease=0x65541e10
            }
            {
            \tname=by-name
            \tip_address=192.168.64.6
            \thw_address=ff,f1:f5:dd:7f:0:2:0:0:ab:11:b:2d:8
            \tlease=0x6554ffff
            }
            """
        #expect(addresses(.bootpd, text) == ["192.168.64.4", "192.168.64.5"])
    }

    @Test func `whatever a file holds, it is read without harm`() {
        var random = Faults.random("lease files")
        for _ in 0..<Faults.rounds * 20 {
            let bytes = (0..<Int.random(in: 0...400, using: &random)).map { _ in
                UInt8.random(in: 0...255, using: &random)
            }
            for format in LeaseFormat.allCases {
                _ = format.leases(in: bytes, of: card, now: Self.now)
                #expect(NeighbourMessage.read(bytes[...]).isEmpty || !bytes.isEmpty)
            }
        }
    }
}
