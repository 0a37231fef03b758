/// Rows under a head line, each column as wide as its widest cell, two spaces apart.
public struct Table: Sendable {
    public var head: [String]
    public private(set) var rows: [[String]] = []

    public init(_ head: [String]) { self.head = head }

    /// Adds a row. A missing cell is empty; control characters in a cell are shown as spaces, so that a value from the
    /// runtime cannot move the cursor.
    public mutating func add(_ cells: [String]) {
        rows.append(head.indices.map { $0 < cells.count ? Self.printable(cells[$0]) : "" })
    }

    /// The lines, each ending in a line feed; no spaces at line ends.
    public var text: String {
        var widths = head.map(\.count)
        for row in rows {
            for (column, cell) in row.enumerated() { widths[column] = max(widths[column], cell.count) }
        }
        var text = ""
        for row in [head] + rows {
            var line = ""
            for (column, cell) in row.enumerated() {
                line += cell
                guard row[(column + 1)...].contains(where: { !$0.isEmpty }) else { break }
                line += String(repeating: " ", count: widths[column] - cell.count + 2)
            }
            text += line + "\n"
        }
        return text
    }

    static func printable(_ text: String) -> String {
        String(
            text.unicodeScalars.map { scalar in
                scalar.properties.generalCategory == .control ? " " : Character(scalar)
            })
    }
}
