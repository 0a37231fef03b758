import FoundationEssentials

/// What a DHCP server has given to whom.
struct Lease: Sendable, Hashable {
    var hardwareAddress: HardwareAddress
    var address: NetworkAddress
    /// Seconds since 1970; nil is never.
    var end: Int64?
}

/// The files in which DHCP servers note their leases. What cannot be read as one is passed over: a server may be writing.
enum LeaseFormat: Sendable, Hashable, CaseIterable {
    /// A line each: end, hardware address, address, name, client.
    case dnsmasq
    /// ISC's dhcpd: a journal, of which the last word on an address counts.
    case isc
    /// systemd-networkd's server: JSON.
    case networkd
    /// busybox's: binary.
    case udhcpd
    /// macOS's bootpd, which serves Virtualization.framework's NAT network.
    case bootpd

    /// - Parameter now: seconds since 1970, for leases that are over.
    /// - Returns: those of one card that are not over, the newest last.
    func leases(in bytes: [UInt8], of card: HardwareAddress, now: Int64) -> [Lease] {
        let all: [Lease] =
            switch self {
            case .dnsmasq: Self.dnsmasq(String(decoding: bytes, as: UTF8.self))
            case .isc: Self.isc(String(decoding: bytes, as: UTF8.self))
            case .networkd: Self.networkd(bytes)
            case .udhcpd: Self.udhcpd(bytes)
            case .bootpd: Self.bootpd(String(decoding: bytes, as: UTF8.self))
            }
        let own = all.enumerated().filter { $0.element.hardwareAddress == card && ($0.element.end ?? .max) > now }
        // Of two that end together the later in the file.
        return own.sorted { ($0.element.end ?? .max, $0.offset) < ($1.element.end ?? .max, $1.offset) }.map(\.element)
    }

    private static func dnsmasq(_ text: String) -> [Lease] {
        text.split(separator: "\n").compactMap { line in
            let words = line.split(separator: " ")
            guard words.count >= 4, let end = Int64(words[0]), let card = HardwareAddress(words[1]),
                let address = NetworkAddress(words[2])
            else { return nil }
            return Lease(hardwareAddress: card, address: address, end: end == 0 ? nil : end)
        }
    }

    // MARK: ISC

    private static func isc(_ text: String) -> [Lease] {
        var leases: [NetworkAddress: (Lease, Int)] = [:]
        var (address, card): (NetworkAddress?, HardwareAddress?)
        var end: Int64?
        var isActive = true
        for (number, line) in text.split(separator: "\n").enumerated() {
            let line = line.prefix { $0 != "#" }
            let words = line.split { $0 == " " || $0 == "\t" || $0 == ";" }
            switch words.first {
            case "lease" where words.last == "{":
                (address, card, end, isActive) = (NetworkAddress(words[1]), nil, 0, true)
            case "hardware" where words.count >= 3: card = HardwareAddress(words[2])
            case "ends" where words.count >= 2: end = words[1] == "never" ? nil : time(words.dropFirst())
            case "binding" where words.count >= 3: isActive = words[2] == "active"
            case "}":
                if let address {
                    leases[address] =
                        isActive
                        ? card.map { (Lease(hardwareAddress: $0, address: address, end: end), number) } : nil
                }
                address = nil
            default: break
            }
        }
        return leases.values.sorted { $0.1 < $1.1 }.map(\.0)
    }

    /// `3 2026/01/28 08:15:00`, in UTC, or `epoch 1769588100`. 0 for what is neither: over.
    private static func time(_ words: ArraySlice<Substring>) -> Int64 {
        let words = Array(words)
        if words.count >= 2, words[0] == "epoch" { return Int64(words[1]) ?? 0 }
        guard words.count >= 3 else { return 0 }
        let numbers = (words[1].split(separator: "/") + words[2].split(separator: ":")).compactMap { Int64($0) }
        guard numbers.count == 6, (1...12).contains(numbers[1]) else { return 0 }
        // Days since 1970, the year beginning in March.
        let year = numbers[1] > 2 ? numbers[0] : numbers[0] - 1
        let month = (numbers[1] + 9) % 12
        let days =
            365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + numbers[2] - 1 - 719_468
        return ((days * 24 + numbers[3]) * 60 + numbers[4]) * 60 + numbers[5]
    }

    // MARK: systemd-networkd

    private struct NetworkdFile: Decodable {
        struct Entry: Decodable {
            var address: [UInt8]?
            var hardwareAddress: [UInt8]?
            var clientID: [UInt8]?
            var end: Int64?

            enum CodingKeys: String, CodingKey {
                case address = "Address"
                case hardwareAddress = "HardwareAddress"
                case clientID = "ClientId"
                case end = "ExpirationRealtimeUSec"
            }
        }
        var leases: [Entry]?

        enum CodingKeys: String, CodingKey { case leases = "Leases" }
    }

    private static func networkd(_ bytes: [UInt8]) -> [Lease] {
        guard let file = try? JSONDecoder().decode(NetworkdFile.self, from: Data(bytes)) else { return [] }
        return (file.leases ?? []).compactMap { entry in
            // Older ones name the client only; its name is the card's address, after its kind, unless it chose another.
            let client = entry.clientID.flatMap { $0.count == 7 && $0[0] == 1 ? Array($0.dropFirst()) : nil }
            guard let card = HardwareAddress(bytes: entry.hardwareAddress ?? client ?? []),
                let address = NetworkAddress(bytes: entry.address ?? [])
            else { return nil }
            return Lease(hardwareAddress: card, address: address, end: entry.end.map { $0 / 1_000_000 })
        }
    }

    // MARK: udhcpd

    /// The time of writing (8 bytes), then for each lease the seconds it still has (4), the address, the card's (6), and its
    /// name (20), filled up with zeros (2).
    private static func udhcpd(_ bytes: [UInt8]) -> [Lease] {
        func number(_ bytes: ArraySlice<UInt8>) -> Int64 {
            Int64(truncatingIfNeeded: bytes.reduce(0) { ($0 as UInt64) << 8 | UInt64($1) })
        }
        guard bytes.count >= 8 else { return [] }
        let written = number(bytes[..<8])
        return stride(from: 8, through: bytes.count - 36, by: 36).compactMap { start in
            guard let address = NetworkAddress(bytes: bytes[start + 4..<start + 8]),
                let card = HardwareAddress(bytes: bytes[start + 8..<start + 14])
            else { return nil }
            let (end, isTooLate) = written.addingReportingOverflow(number(bytes[start..<start + 4]))
            return Lease(hardwareAddress: card, address: address, end: isTooLate ? nil : end)
        }
    }

    // MARK: bootpd

    /// Blocks of `name=value`; numbers of hardware addresses without leading zeros, after the card's kind; one card may have
    /// several.
    private static func bootpd(_ text: String) -> [Lease] {
        text.split(separator: "}").compactMap { block in
            var values: [Substring: Substring] = [:]
            for line in block.split(separator: "\n") {
                let line = line.drop { $0 == " " || $0 == "\t" }
                guard let equals = line.firstIndex(of: "=") else { continue }
                values[line[..<equals]] = line[line.index(after: equals)...]
            }
            guard let hardware = values["hw_address"], hardware.hasPrefix("1,"),
                let card = HardwareAddress(hardware.dropFirst(2)),
                let address = values["ip_address"].flatMap({ NetworkAddress($0) }),
                let end = values["lease"].flatMap({ Int64($0.dropFirst($0.hasPrefix("0x") ? 2 : 0), radix: 16) })
            else { return nil }
            return Lease(hardwareAddress: card, address: address, end: end)
        }
    }
}
