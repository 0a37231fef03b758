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
