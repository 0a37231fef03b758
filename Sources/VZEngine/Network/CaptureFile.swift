/// Reads packets as tcpdump writes them, piece by piece.
struct CaptureFile {
    private var bytes: [UInt8] = []
    private var isSwapped: Bool?
    /// It is no capture of Ethernet frames.
    private(set) var isBroken = false

    /// - Returns: the frames that are whole by now.
    mutating func take(_ more: some Sequence<UInt8>) -> [ArraySlice<UInt8>] {
        bytes += more
        if isSwapped == nil, bytes.count >= 24 {
            let magic = number(bytes[0..<4], swapped: false)
            switch magic {
            case 0xa1b2_c3d4, 0xa1b2_3c4d: isSwapped = false
            case 0xd4c3_b2a1, 0x4d3c_b2a1: isSwapped = true
            default: isBroken = true
            }
            // What the link is: Ethernet.
            if let isSwapped, number(bytes[20..<24], swapped: isSwapped) != 1 { isBroken = true }
            bytes.removeFirst(24)
        }
        var frames: [ArraySlice<UInt8>] = []
        guard let isSwapped else { return frames }
        while !isBroken, bytes.count >= 16 {
            let length = Int(number(bytes[8..<12], swapped: isSwapped))
            guard length <= 262_144 else {
                isBroken = true
                break
            }
            guard bytes.count >= 16 + length else { break }
            frames.append(bytes[16..<16 + length])
            bytes.removeFirst(16 + length)
        }
        return frames
    }

    private func number(_ bytes: ArraySlice<UInt8>, swapped: Bool) -> UInt32 {
        let value: UInt32 = bytes.withUnsafeBytes { $0.loadUnaligned(as: UInt32.self) }
        return swapped ? value.byteSwapped : value
    }
}
