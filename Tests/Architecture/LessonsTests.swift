import Testing

/// `docs/lessons.md` says for each known bug of others which of our tests would fail with it.
@Suite("Lessons")
struct LessonsTests {
    private static let path = "docs/lessons.md"
    static let items =
        (1...6).map { "S\($0)" } + (1...15).map { "C\($0)" } + (1...12).map { "R\($0)" }

    struct Row {
        var item: String
        var tests: [(suite: String, name: String)]
        var isPartlyMissing: Bool
    }

    private let repository = Repository()

    private func rows() throws -> [Row] {
        try repository.text(Self.path).split(separator: "\n").compactMap { line in
            guard line.hasPrefix("| "), let first = line.prefixMatch(of: /\| ([SCR]\d+) \|/) else { return nil }
            let tests = line.matches(of: /`([A-Za-z0-9_]+)`: ((?:“[^”]*”(?:, )?)+)/).flatMap { match in
                match.2.matches(of: /“([^”]*)”/).map { (suite: String(match.1), name: String($0.1)) }
            }
            return Row(item: String(first.1), tests: tests, isPartlyMissing: line.contains("Not built yet:"))
        }
    }

    @Test("every item has one row, in order")
    func complete() throws { #expect(try rows().map(\.item) == Self.items) }

    @Test("every row has tests, and each of them is there under its name")
    func existing() throws {
        let names = try TestNames(repository)
        for row in try rows() {
            #expect(!row.tests.isEmpty || row.isPartlyMissing, "\(row.item) has no test, and does not say why")
            for test in row.tests {
                #expect(names.contains(suite: test.suite), "\(row.item): there is no suite \(test.suite)")
                #expect(
                    names.contains(test.name, in: test.suite), "\(row.item): \(test.suite) has no test “\(test.name)”")
            }
        }
    }

    @Test("the reader of tests understands every form")
    func reader() {
        let text = """
            @Suite struct A {
                @Test("one") func a() {}
                @Test(
                    "two \\"three\\"", arguments: [1])
                func b(_ n: Int) {}
                @Test func `four, and more`() {}
                @Test(.timeLimit(.minutes(1)))
                func five() {}
            }
            extension B.C {}
            """
        #expect(TestNames.tests(in: text) == ["one", "two \\\"three\\\"", "four, and more", "five"])
        #expect(TestNames.types(in: text).isSuperset(of: ["A", "B"]))
    }
}
