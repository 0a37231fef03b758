/// Reads from an Ethernet frame which IPv4 address its sender has.
enum FrameReader {
    /// - Parameter hardwareAddress: whose frames count; empty for anybody's.
    /// - Returns: nil for frames that do not tell, and for addresses a host gave itself for want of a better one.
    static func sender(of frame: ArraySlice<UInt8>, _ hardwareAddress: String) -> String? {
        let bytes = Array(frame)
        guard bytes.count >= 34 else { return nil }
        let source = bytes[6..<12].map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined(
            separator: ":")
        guard hardwareAddress.isEmpty || source == hardwareAddress.lowercased() else { return nil }
        let address: ArraySlice<UInt8>
        switch (bytes[12], bytes[13]) {
        case (0x08, 0x00): address = bytes[26..<30]  // IPv4: its source
        case (0x08, 0x06): address = bytes[28..<32]  // ARP: who asks or answers
        default: return nil
        }
        let parts = Array(address)
        let isUsable = parts[0] != 0 && parts[0] != 127 && parts[0] < 224 && !(parts[0] == 169 && parts[1] == 254)
        return isUsable ? parts.map(String.init).joined(separator: ".") : nil
    }
}
