import Support
import Testing

@testable import VMImages

@Suite struct SparseDiskTests {
    @Test("a disk of 128 GiB with little in it is imported in no time, and takes as little again")
    func large() throws {
        let fixture = try Fixture()
        let size: Int64 = 128 << 30
        let disk = try fixture.file(
            "disk", size: size,
            [(0, [1]), (5 << 30, [2, 2]), ((64 << 30) + 123_456, [3]), (size - 1, [4])])
        try #require(try allocated(disk) < 1 << 20, "this file system keeps no holes")
        var reports: [ImportProgress] = []
        let image = try fixture.store.importImage(try fixture.request("big", disk: disk)) { reports.append($0) }
        let copy = try #require(fixture.store.disk(of: image))
        #expect(copy.capacity == size)
        #expect(try allocated(copy.path) < 2 << 20)
        // Read was what is there, not what is not.
        let last = try #require(reports.last)
        #expect(last.done <= 1 << 20)
        #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.done <= $1.done })
        let read = try DiskCopy(advanced: { _ in }).read(.reading(copy.path), writingTo: nil)
        let source = try DiskCopy(advanced: { _ in }).read(.reading(disk), writingTo: nil)
        #expect(read == source)
        #expect(read.chunks.map(\.offset) == [0, 5 << 30, 64 << 30, size - Int64(DiskIndex.chunkSize)])
    }

    @Test("zeros that were written make the same image as holes, and become holes")
    func zeros() throws {
        let fixture = try Fixture()
        let size: Int64 = 10 << 20
        let data: [(Int64, [UInt8])] = [(5 << 20, [1, 2, 3])]
        let sparse = try fixture.file("sparse", size: size, data)
        let dense = try fixture.file(
            "dense", size: size, [(0, [UInt8](repeating: 0, count: Int(size)))] + data)
        let first = try fixture.add("a", disk: sparse)
        let second = try fixture.add("b", disk: dense)
        #expect(first.id == second.id)
    }

    @Test("what is copied is what was there, wherever data and holes meet")
    func random() throws {
        var random = Faults.random("sparse disks")
        for round in 0..<Faults.rounds { try copied(round, &random) }
    }

    private func copied(_ round: Int, _ random: inout SeededRandom) throws {
        let fixture = try Fixture()
        let size = Int64.random(in: 1...40_000, using: &random) * 512
        var parts: [(Int64, [UInt8])] = []
        for _ in 0..<Int.random(in: 0...12, using: &random) {
            let count = Int(
                min(size, Int64.random(in: 1...(1 << Int.random(in: 0...22, using: &random)), using: &random)))
            let offset = Int64.random(in: 0...(size - Int64(count)), using: &random)
            let value = UInt8.random(in: 0...2, using: &random)
            parts.append((offset, [UInt8](repeating: value, count: count)))
        }
        let disk = try fixture.file("disk", size: size, parts)
        let image = try fixture.add("a", disk: disk)
        let copy = try #require(fixture.store.disk(of: image))
        #expect(try bytes(of: copy.path) == bytes(of: disk), "round \(round)")
        #expect(try allocated(copy.path) <= allocated(disk) + 1 << 20)
    }
}
