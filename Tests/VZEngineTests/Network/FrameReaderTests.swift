import Testing

@testable import VZEngine

@Suite("Which address a machine has, by its frames")
struct FrameReaderTests {
    private static let mac: [UInt8] = [0x52, 0x54, 0, 0, 0, 0x0a]
    private let card = HardwareAddress(bytes: mac)!

    private func frame(_ type: [UInt8], _ offset: Int, _ address: [UInt8]) -> [UInt8] {
        var frame = [UInt8](repeating: 0xff, count: 6) + Self.mac + type
        frame += [UInt8](repeating: 0, count: 60 - frame.count)
        frame.replaceSubrange(offset..<offset + 4, with: address)
        return frame
    }

    static func arp(_ sender: [UInt8], asks: [UInt8], from mac: [UInt8] = mac) -> [UInt8] {
        [UInt8](repeating: 0xff, count: 6) + mac + [8, 6] + [0, 1, 8, 0, 6, 4, 0, 1] + mac + sender
            + [UInt8](repeating: 0, count: 6) + asks
    }

    /// A DHCP server's answer.
    static func answer(_ kind: UInt8, _ address: [UInt8], to mac: [UInt8] = mac) -> [UInt8] {
        var message: [UInt8] = [2, 1, 6, 0] + [UInt8](repeating: 7, count: 12) + address
        message += [UInt8](repeating: 0, count: 8) + mac + [UInt8](repeating: 0, count: 10 + 192)
        message += [0x63, 0x82, 0x53, 0x63, 0, 54, 4, 192, 0, 2, 1, 53, 1, kind, 255]
        let header: [UInt8] = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, 17, 0, 0, 192, 0, 2, 1, 255, 255, 255, 255]
        return [UInt8](repeating: 0xff, count: 6) + [2, 0, 0, 0, 0, 1] + [8, 0] + header + [0, 67, 0, 68, 0, 0, 0, 0]
            + message
    }

    private func found(_ frame: [UInt8]) -> AddressSighting? { FrameReader.sighting(in: frame[...], of: card) }

    @Test("is what it speaks from, in IP and in ARP")
    func spoken() {
        #expect(found(frame([8, 0], 26, [192, 168, 1, 7])) == .init(.init("192.168.1.7")!, .spoken))
        #expect(found(Self.arp([10, 0, 0, 9], asks: [10, 0, 0, 1])) == .init(.init("10.0.0.9")!, .spoken))
        #expect(found(Self.arp([10, 0, 0, 9], asks: [10, 0, 0, 9])) == .init(.init("10.0.0.9")!, .announced))
    }

    @Test("is what a DHCP server gives it, and not what one offers, refuses or gives to others")
    func leased() {
        #expect(found(Self.answer(5, [192, 0, 2, 50])) == .init(.init("192.0.2.50")!, .leased))
        for kind: UInt8 in [2, 6] { #expect(found(Self.answer(kind, [192, 0, 2, 50])) == nil) }
        #expect(found(Self.answer(5, [0, 0, 0, 0])) == nil)
        #expect(found(Self.answer(5, [192, 0, 2, 50], to: [0x52, 0x54, 0, 0, 0, 0x0b])) == nil)
    }

    @Test("is not another's, not the one of the time before DHCP, and no address of the link alone")
    func notFound() {
        let other = HardwareAddress("52:54:00:00:00:0b")!
        #expect(FrameReader.sighting(in: frame([8, 0], 26, [192, 168, 1, 7])[...], of: other) == nil)
        for address: [UInt8] in [[0, 0, 0, 0], [169, 254, 1, 1], [127, 0, 0, 1], [255, 255, 255, 255]] {
            #expect(found(frame([8, 0], 26, address)) == nil)
            #expect(found(Self.arp(address, asks: address)) == nil)
            #expect(found(Self.answer(5, address)) == nil)
        }
        #expect(found(frame([0x86, 0xdd], 26, [192, 168, 1, 7])) == nil)
    }

    @Test("is not read from half a frame")
    func truncated() {
        let whole = Self.answer(5, [192, 0, 2, 50])
        for length in 0..<whole.count - 1 { #expect(found(Array(whole[..<length])) == nil) }
        let arp = Self.arp([10, 0, 0, 9], asks: [10, 0, 0, 1])
        for length in 0..<arp.count { #expect(found(Array(arp[..<length])) == nil) }
    }

    @Test("is read from a file of packets that comes in pieces")
    func capture() {
        func words(_ values: [UInt32]) -> [UInt8] {
            values.flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
        }
        let frames = [Self.arp([10, 0, 0, 9], asks: [10, 0, 0, 1]), Self.answer(5, [192, 0, 2, 50])]
        for swapped in [false, true] {
            var bytes: [UInt8] = words([0xa1b2_c3d4, 0x0004_0002, 0, 0, 1600, 1].map { swapped ? $0.byteSwapped : $0 })
            for frame in frames {
                let count = UInt32(frame.count)
                bytes += words([1, 2, count, count].map { swapped ? $0.byteSwapped : $0 }) + frame
            }
            for size in [1, 7, 50, bytes.count] {
                var file = CaptureFile()
                var got: [[UInt8]] = []
                for start in stride(from: 0, to: bytes.count, by: size) {
                    got += file.take(bytes[start..<min(start + size, bytes.count)]).map(Array.init)
                }
                #expect(got == frames)
                #expect(!file.isBroken)
            }
        }
        var wrong = CaptureFile()
        #expect(wrong.take([UInt8](repeating: 7, count: 100)).isEmpty)
        #expect(wrong.isBroken)
    }
}
