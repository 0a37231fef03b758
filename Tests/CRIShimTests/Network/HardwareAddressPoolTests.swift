import Foundation
import HostFiles
import Support
import Testing
import VZEngine

@testable import CRIShim

@Suite struct HardwareAddressPoolTests {
    private static func with(_ body: @Sendable (String) async throws -> Void) async throws {
        try await withTemporaryDirectory(body)
    }

    private static func pool(_ root: String, instance: String = "0123456789abcdef") -> HardwareAddressPool {
        HardwareAddressPool(root: root, instance: instance)
    }

    /// DHCP leases are finite: a fresh address for every machine uses them up under a CI system.
    @Test func `a thousand machines one after the other have one hardware address`() async throws {
        try await Self.with { root in
            let pool = Self.pool(root)
            var all: Set<HardwareAddress> = []
            for index in 0..<1000 {
                all.insert(try pool.take(for: "m\(index)"))
                try pool.release(of: "m\(index)")
            }
            #expect(all.count == 1)
            #expect(try pool.record().made == 1)
        }
    }

    @Test func `there are never more addresses than there were machines at one time`() async throws {
        try await Self.with { root in
            var random = Faults.random("hardware addresses")
            let pool = Self.pool(root)
            var living: [String: HardwareAddress] = [:]
            var (all, most): (Set<HardwareAddress>, Int) = ([], 0)
            for index in 0..<300 {
                if living.count < 8, Bool.random(using: &random) {
                    let address = try pool.take(for: "m\(index)")
                    #expect(!living.values.contains(address))
                    #expect(address.isLocallyAdministered && !address.isGroup)
                    living["m\(index)"] = address
                    all.insert(address)
                    most = max(most, living.count)
                } else if let id = living.keys.sorted().randomElement(using: &random) {
                    try pool.release(of: id)
                    living[id] = nil
                }
            }
            #expect(all.count == most)
        }
    }

    @Test func `who asks again has the same, also from another process over the same files`() async throws {
        try await Self.with { root in
            let address = try Self.pool(root).take(for: "a")
            #expect(try Self.pool(root).take(for: "a") == address)
            #expect(try Self.pool(root).take(for: "b") != address)
        }
    }

    @Test func `two shims of one host never give the same address`() async throws {
        try await Self.with { root in
            var all: Set<HardwareAddress> = []
            for shim in 0..<8 {
                let directory = "\(root)/\(shim)"
                try RootDirectory.makeDirectory(directory, mode: 0o700)
                let pool = Self.pool(directory, instance: try RootDirectory(path: directory).instance)
                for index in 0..<8 { all.insert(try pool.take(for: "m\(index)")) }
            }
            #expect(all.count == 64)
        }
    }

    @Test func `many at once over one file have one each`() async throws {
        try await Self.with { root in
            let all = try await withThrowingTaskGroup(of: HardwareAddress.self) { group in
                for index in 0..<32 {
                    group.addTask {
                        try await RootDirectory.offload { try Self.pool(root).take(for: "m\(index)") }
                    }
                }
                return try await group.reduce(into: Set<HardwareAddress>()) { $0.insert($1) }
            }
            #expect(all.count == 32)
            #expect(try Self.pool(root).record().holders.count == 32)
        }
    }

    @Test func `a restart keeps what lives and frees what is gone`() async throws {
        try await Self.with { root in
            let pool = Self.pool(root)
            let living = try pool.take(for: "living")
            let dead = try pool.take(for: "dead")
            let ended = try pool.take(for: "ended")
            try pool.adopt([
                .init(holder: "living", address: living, mayLive: true),
                .init(holder: "ended", address: ended, mayLive: false),
            ])
            #expect(try pool.record().holders.keys.sorted() == ["ended", "living"])
            #expect(try pool.take(for: "next") == dead)
        }
    }

    @Test func `without its file the pool goes by the machines' own records, and makes the same addresses again`()
        async throws
    {
        try await Self.with { root in
            let pool = Self.pool(root)
            let first = try pool.take(for: "first")
            let second = try pool.take(for: "second")
            try RootDirectory.removeTree(root + "/hardware-addresses.json")
            try pool.adopt([
                // It ended before the address was given to the one that lives.
                .init(holder: "old", address: second, mayLive: false),
                .init(holder: "second", address: second, mayLive: true),
                .init(holder: "foreign", address: HardwareAddress("02:76:7a:00:00:00"), mayLive: true),
            ])
            #expect(try pool.take(for: "next") == first)
            try pool.release(of: "old")
            #expect(try pool.take(for: "second") == second)
            #expect(try pool.take(for: "another") != second)
        }
    }

    @Test func `a file of a newer program, or a broken one, is refused and not replaced`() async throws {
        try await Self.with { root in
            let file = root + "/hardware-addresses.json"
            for (text, code) in [
                (#"{"schema":2,"prefix":[2,0,0,0],"made":0,"holders":{}}"#, ShimError.Code.newerRecord),
                (#"{"schema":1,"prefix":[2],"made":0,"holders":{}}"#, .corruptRecord), ("{", .corruptRecord),
            ] {
                try AtomicFile.write(Array(text.utf8), to: file, mode: 0o600)
                let error = #expect(throws: ShimError.self) { try Self.pool(root).take(for: "a") }
                #expect(error?.code == code)
                #expect(try RootDirectory.read(file) == Array(text.utf8))
            }
        }
    }

    // MARK: In the life of machines

    @Test func `a machine has its address from its creation until nothing of it runs`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let first = try await bench.create(in: sandbox)
            let second = try await bench.create(in: sandbox, name: "second")
            let address = try bench.runtime.machine(first).config.network.macAddress
            #expect(HardwareAddress(address) != nil)
            #expect(try bench.runtime.machine(second).config.network.macAddress != address)
            try await bench.start(first)
            try await bench.supervisor(first).end(code: 0)
            _ = try await bench.ended(first)
            // Ended, not removed: its address is free as its slot is.
            let third = try await bench.create(in: sandbox, name: "third")
            #expect(try bench.runtime.machine(third).config.network.macAddress == address)
            try await bench.remove(first)
            #expect(try bench.runtime.addresses.record().holders.keys.sorted() == [second, third].sorted())
            for id in [second, third] { try await bench.remove(id) }
            #expect(try bench.runtime.addresses.record().holders.isEmpty)
        }
    }

    @Test func `a shim that starts again gives no address of a machine that lives to another`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let (first, second) = (
                try await bench.create(in: sandbox), try await bench.create(in: sandbox, name: "two")
            )
            for id in [first, second] { try await bench.start(id) }
            let next = try await bench.restarted(sandboxes: [sandbox])
            let third = try await next.create(in: sandbox, name: "three")
            let all = try [first, second, third].map { try next.runtime.machine($0).config.network.macAddress }
            #expect(Set(all).count == 3)
            for id in [first, second, third] { try await next.remove(id) }
            await next.runtime.shutDown()
        }
    }
}
