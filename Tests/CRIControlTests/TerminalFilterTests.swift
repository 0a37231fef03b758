import Testing

@testable import CRIControl

@Suite("A guest's words on a terminal")
struct TerminalFilterTests {
    @Test(
        "colours stay, what would move or change the terminal goes",
        arguments: [
            ("plain\tword\n", "plain\tword\n"),
            ("line\r\n", "line\n"),
            ("\u{1b}[0;32mok\u{1b}[0m\n", "\u{1b}[0;32mok\u{1b}[0m\n"),
            ("\u{1b}[2J\u{1b}[1;1Hlogin: ", "login: "),
            ("\u{1b}[?25l\u{1b}[6nx", "x"),
            ("\u{1b}]0;title\u{7}after", "after"),
            ("\u{1b}]52;c;ZXZpbA==\u{1b}\\after", "after"),
            ("\u{1b}Pq\u{1b}\\after", "after"),
            ("\u{1b}(Bafter", "after"),
            ("\u{1b}cafter", "after"),
            ("bell\u{7}\u{8}!", "bell!"),
            ("\u{1b}]never ended\nnext", "\nnext"),
            ("\u{1b}[?1;2mx", "x"),
            ("Grüße 你好\n", "Grüße 你好\n"),
        ])
    func filters(_ given: String, _ shown: String) {
        var filter = TerminalFilter()
        #expect(String(decoding: filter.filter(given.utf8), as: UTF8.self) == shown)
        // The same however it is cut.
        var bytewise = TerminalFilter()
        let pieces = given.utf8.flatMap { bytewise.filter([$0]) }
        #expect(String(decoding: pieces, as: UTF8.self) == shown)
    }
}
