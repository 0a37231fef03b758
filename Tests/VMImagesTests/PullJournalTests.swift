import Foundation
import Testing

@testable import VMImages

@Suite struct PullJournalTests {
    private let entries: [PullJournal.Entry] = [
        .frame(disk: 0, offset: 4 << 20, digest: String(repeating: "a", count: 64)), .layer(disk: 1, number: 7),
        .file(digest: String(repeating: "b", count: 64)),
    ]

    @Test("in the same run of the system every entry counts, after a crash of it only what was synced")
    func boots() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        do {
            let (journal, found) = try PullJournal.open(path, boot: "one")
            #expect(found.isEmpty)
            try journal.add([entries[0]])
            try journal.sync([])
            try journal.add(Array(entries[1...]))
        }
        let bytes = try bytes(of: path)
        #expect(PullJournal.Text(bytes).trusted(boot: "one") == entries)
        #expect(PullJournal.Text(bytes).trusted(boot: "two") == [entries[0]])
        #expect(try PullJournal.open(path, boot: "two").entries == [entries[0]])
        // What did not count does not come to count later.
        #expect(try PullJournal.open(path, boot: "two").entries == [entries[0]])
    }

    @Test("a journal counts up to the first byte that is damaged or missing")
    func damaged() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        let (journal, _) = try PullJournal.open(path, boot: "one")
        try journal.add(entries)
        let whole = try bytes(of: path)
        for place in whole.indices {
            var changed = whole
            changed[place] ^= 0x10
            for bytes in [changed, Array(whole[..<place])] {
                let found = PullJournal.Text(bytes).trusted(boot: "one")
                #expect(found == Array(entries.prefix(found.count)))
                #expect(found.count < entries.count)
            }
        }
    }

    @Test("what another version wrote, with runs of another size, is begun anew")
    func otherRuns() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        let (journal, _) = try PullJournal.open(path, boot: "one")
        try journal.add(entries)
        let own = try String(decoding: bytes(of: path), as: UTF8.self)
        let boot = try #require(own.split(separator: "\n").first { $0.hasPrefix("boot ") })
        for older in ["boot one", "boot one \(DiskIndex.chunkSize * 4)"] {
            let text = own.replacing(boot + "\n", with: PullJournal.line(older))
            #expect(text != own)
            try text.write(toFile: path, atomically: true, encoding: .utf8)
            #expect(try PullJournal.open(path, boot: "one").entries.isEmpty)
        }
    }

    @Test("killed while it says what counts after a crash of the system, it says neither more nor less")
    func interrupted() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        let first = PullJournal.line("file " + String(repeating: "a", count: 64))
        let trusted = PullJournal.beginning(boot: "one", covering: 0) + first
        let written = PullJournal.beginning(boot: "two", covering: 1) + PullJournal.terminator
        // What was not synced in time: whole lines, of which one begins right behind what is written, as bad luck has it.
        let over = try #require(
            (1...200).lazy.map { PullJournal.line("file " + String(repeating: "x", count: $0)) }
                .first { $0.utf8.count == written.utf8.count })
        let behind = PullJournal.line("file " + String(repeating: "c", count: 64)) + PullJournal.line("synced 1")
        // Before it is said, and when it has been.
        for text in [over + behind, written + behind] {
            try Data((trusted + text).utf8).write(to: URL(filePath: path))
            #expect(
                try PullJournal.open(path, boot: "two").entries == [.file(digest: String(repeating: "a", count: 64))])
            #expect(try String(decoding: bytes(of: path), as: UTF8.self) == trusted + written.dropLast())
        }
    }

    @Test("it is as old as what was added last: to look at it makes it no younger")
    func age() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        try PullJournal.open(path, boot: "one").journal.add(entries)
        let file = try #require(FileHandle(forUpdatingAtPath: path))
        var times = [timespec(tv_sec: 1000, tv_nsec: 0), timespec(tv_sec: 1000, tv_nsec: 0)]
        #expect(futimens(file.fileDescriptor, &times) == 0)
        #expect(try PullJournal.open(path, boot: "one").entries == entries)
        let after = try FileManager.default.attributesOfItem(atPath: path)[.modificationDate] as? Date
        #expect(after == Date(timeIntervalSince1970: 1000))
    }

    @Test("in the same run of the system it goes on where it was, and what was half written goes")
    func goesOn() throws {
        let fixture = try Fixture()
        let path = fixture.directory + "/journal"
        do {
            let (journal, _) = try PullJournal.open(path, boot: "one")
            try journal.add([entries[0]])
            try journal.sync([])
            try journal.add([entries[1]])
        }
        let whole = try bytes(of: path)
        let half = try OpenFile.locking(path)
        try Array("frame 0 41".utf8).withUnsafeBytes { try half.write($0, at: Int64(whole.count)) }
        let (journal, found) = try PullJournal.open(path, boot: "one")
        #expect(found == Array(entries[..<2]))
        #expect(try bytes(of: path) == whole)
        try journal.add([entries[2]])
        // It is the same file: there may be no room for another.
        var next = [UInt8](repeating: 0, count: 200)
        #expect(try next.withUnsafeMutableBytes { try half.read($0, at: Int64(whole.count)) } > 0)
        #expect(try PullJournal.Text(bytes(of: path)).trusted(boot: "one") == entries)
        #expect(try PullJournal.Text(bytes(of: path)).trusted(boot: "two") == [entries[0]])
        try journal.sync([])
        #expect(try PullJournal.Text(bytes(of: path)).trusted(boot: "two") == entries)
    }
}
