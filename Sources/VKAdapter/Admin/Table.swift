/// Texts in columns, as wide as they need.
struct Table {
    private let rows: [[String]]
    private let indent: String

    init(_ head: [String], _ rows: [[String]], indent: String = "") { self.init([head] + rows, indent: indent) }

    init(_ rows: [[String]], indent: String = "") {
        self.rows = rows.map { $0.map(Self.oneLine) }
        self.indent = indent
    }

    /// Pods are named by others: what moves a terminal's cursor is not shown to it.
    private static func oneLine(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { scalar in
                    let isControl = scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                    return isControl ? " " : scalar
                }))
    }

    var text: String {
        let columns = rows.map(\.count).max() ?? 0
        let widths = (0..<columns).map { column in rows.map { $0.count > column ? $0[column].count : 0 }.max() ?? 0 }
        return rows.map { row in
            var line = indent
            for (column, text) in row.enumerated() {
                line += text
                if column + 1 < row.count {
                    line += String(repeating: " ", count: widths[column] - text.count + 3)
                }
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
