/// Reads from Ethernet frames which IPv4 address a network card has.
enum FrameReader {
    /// - Returns: nil for frames that do not tell, and for addresses nobody can be reached by.
    static func sighting(in frame: ArraySlice<UInt8>, of card: HardwareAddress) -> AddressSighting? {
        let bytes = Array(frame)
        guard bytes.count >= 34 else { return nil }
        let isFromCard = HardwareAddress(bytes: bytes[6..<12]) == card
        switch (bytes[12], bytes[13]) {
        case (0x08, 0x06) where isFromCard: return arp(bytes, card)
        case (0x08, 0x00):
            if let lease = lease(bytes, card) { return lease }
            return isFromCard ? usable(bytes[26..<30], .spoken) : nil
        default: return nil
        }
    }

    private static func usable(
        _ bytes: ArraySlice<UInt8>, _ evidence: AddressSighting.Evidence
    ) -> AddressSighting? {
        guard let address = NetworkAddress(bytes: bytes), address.isUsable else { return nil }
        return AddressSighting(address, evidence)
    }

    /// Who asks or answers; who asks for itself announces itself.
    private static func arp(_ bytes: [UInt8], _ card: HardwareAddress) -> AddressSighting? {
        guard bytes.count >= 42, bytes[14..<20] == [0, 1, 8, 0, 6, 4], HardwareAddress(bytes: bytes[22..<28]) == card
        else { return nil }
        return usable(bytes[28..<32], bytes[28..<32] == bytes[38..<42] ? .announced : .spoken)
    }

    /// What a DHCP server agrees to (RFC 2131).
    private static func lease(_ bytes: [UInt8], _ card: HardwareAddress) -> AddressSighting? {
        let udp = 14 + Int(bytes[14] & 0xf) * 4
        let isFragment = bytes[20] & 0x1f != 0 || bytes[21] != 0
        guard bytes[14] >> 4 == 4, bytes[23] == 17, !isFragment, bytes.count >= udp + 8,
            bytes[udp..<udp + 4] == [0, 67, 0, 68]
        else { return nil }
        let message = bytes[(udp + 8)...]
        let start = message.startIndex
        guard message.count > 240, message[start] == 2,
            message[(start + 236)..<(start + 240)] == [0x63, 0x82, 0x53, 0x63],
            HardwareAddress(bytes: message[(start + 28)..<(start + 34)]) == card
        else { return nil }
        var rest = message[(start + 240)...]
        while let kind = rest.popFirst(), kind != 255 {
            if kind == 0 { continue }
            guard let length = rest.popFirst(), rest.count >= length else { return nil }
            if kind == 53 {
                // An acknowledgement; the one for somebody who has an address already names none.
                return length == 1 && rest.first == 5 ? usable(message[(start + 16)..<(start + 20)], .leased) : nil
            }
            rest = rest.dropFirst(Int(length))
        }
        return nil
    }
}
