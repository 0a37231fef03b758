import HostFiles
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The hardware addresses of this shim's machines: the fewest that do, since a DHCP server remembers each of them for as long
/// as its leases last. The lowest one that is free is given first, so that there are never more of them than there were
/// machines at one time, and what a busy hour made is not used, and forgotten by the server, afterwards.
///
/// They begin with what the shim's instance says: two shims have none in common, and one that has lost its file makes the
/// same ones again. A file in the root says who has which; what it says is so before an address is given.
struct HardwareAddressPool: Sendable {
    /// The file.
    struct Record: Codable, Sendable, Hashable {
        static let schema = 1

        var schema = Self.schema
        /// The first four bytes of all addresses.
        var prefix: [UInt8]
        /// How many addresses were ever given: those below this number.
        var made = 0
        /// Numbers of addresses, and who has them.
        var holders: [String: Int] = [:]
    }

    /// As many as two bytes can tell apart.
    private static let limit = 1 << 16

    private let root: String
    private let file: String
    private let instance: String

    /// - Parameter instance: see ``RootDirectory/instance``.
    init(root: String, instance: String) {
        self.root = root
        file = root + "/hardware-addresses.json"
        self.instance = instance
    }

    /// Gives `holder` an address until ``release(of:)``; the same again when it has one. Blocks.
    /// - Throws: `exhausted`; `newerRecord`, `corruptRecord`: going on would give addresses twice.
    func take(for holder: String) throws -> HardwareAddress {
        try change { record in
            if let number = record.holders[holder] { return record.address(number) }
            let taken = Set(record.holders.values)
            guard let number = (0..<Self.limit).first(where: { !taken.contains($0) }) else {
                throw ShimError(
                    .exhausted, "all \(Self.limit) hardware addresses of this host's machines are in use: remove some")
            }
            record.holders[holder] = number
            record.made = max(record.made, number + 1)
            return record.address(number)
        }
    }

    /// Gives `holder` an address that it had in a former life. Blocks.
    /// - Throws: `wrongState` when another has it.
    func take(_ address: HardwareAddress, for holder: String) throws {
        try change { record in
            // One that is not of this pool is nobody's.
            guard let number = record.number(address) else { return }
            if let other = record.holders.first(where: { $0.value == number && $0.key != holder })?.key {
                throw ShimError(
                    .wrongState,
                    "the hardware address \(address) of the saved machine is the one of the container \(other.prefix(13)): two "
                        + "machines cannot have it at a time, so stop that one first")
            }
            record.holders[holder] = number
            record.made = max(record.made, number + 1)
        }
    }

    /// Takes an address back. Nothing for who has none. Blocks.
    func release(of holder: String) throws {
        try change { $0.holders[holder] = nil }
    }

    /// A machine that a restart finds.
    struct Claim: Sendable {
        var holder: String
        var address: HardwareAddress?
        /// Its processes may be there still.
        var mayLive: Bool
    }

    /// At start: whoever is not among `claims` has nothing any more. Those that may live have what their records say, also when
    /// the file is lost; an address outside of the pool is nobody else's in any case. Blocks.
    func adopt(_ claims: [Claim]) throws {
        try change { record in
            let known = Set(claims.map(\.holder))
            record.holders = record.holders.filter { known.contains($0.key) }
            for claim in claims where claim.mayLive && record.holders[claim.holder] == nil {
                guard let number = claim.address.flatMap(record.number), !record.holders.values.contains(number) else {
                    continue
                }
                record.holders[claim.holder] = number
                record.made = max(record.made, number + 1)
            }
        }
    }

    /// What the file says. Blocks.
    func record() throws -> Record {
        guard let bytes = try RootDirectory.read(file) else { return Record(prefix: Self.prefix(of: instance)) }
        let record = try RecordCoding.decode(Record.self, schema: Record.schema, from: bytes, place: file)
        guard record.prefix.count == 4, record.holders.values.allSatisfy((0..<Self.limit).contains) else {
            throw ShimError(.corruptRecord, "\(file) holds no hardware addresses; move it away to go on")
        }
        return record
    }

    /// One at a time, in whichever process.
    private func change<R>(_ body: (inout Record) throws -> R) throws -> R {
        try RootDirectory.makeDirectory(root, mode: 0o700)
        let lock = open(file + ".lock", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard lock >= 0 else { throw RootDirectory.failure("opening \(file).lock", errno) }
        defer { close(lock) }
        while flock(lock, LOCK_EX) != 0 {
            guard errno == EINTR else { throw RootDirectory.failure("locking \(file).lock", errno) }
        }
        let before = try record()
        var after = before
        let result = try body(&after)
        if after != before { try AtomicFile.write(try RecordCoding.encode(after), to: file, mode: 0o600) }
        return result
    }

    /// Of one card, and not from a maker's range.
    static func prefix(of instance: String) -> [UInt8] {
        let digits = Array(instance.utf8.prefix(8)) + Array(repeating: UInt8(ascii: "0"), count: 8)
        var bytes = stride(from: 0, to: 8, by: 2).map { index in
            UInt8(String(decoding: digits[index..<index + 2], as: UTF8.self), radix: 16) ?? 0
        }
        bytes[0] = bytes[0] & 0xfc | 0x02
        return bytes
    }
}

extension HardwareAddressPool.Record {
    fileprivate func address(_ number: Int) -> HardwareAddress {
        let last = [UInt8(number >> 8 & 0xff), UInt8(number & 0xff)]
        return HardwareAddress(bytes: prefix + last)!  // six bytes: the prefix's length was looked at
    }

    fileprivate func number(_ address: HardwareAddress) -> Int? {
        let bytes = address.bytes
        return Array(bytes.prefix(4)) == prefix ? Int(bytes[4]) << 8 | Int(bytes[5]) : nil
    }
}
