/// The lines of a Swift file that these tests care about.
struct SourceFile {
    let path: String
    let lines: [Substring]

    init(path: String, text: String) {
        self.path = path
        lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    }

    var name: String { path.split(separator: "/").last.map(String.init) ?? path }

    struct Import: Hashable {
        var module: String
        var line: Int
        var attributes: [String]
    }

    /// `import A`, `public import A`, `@testable import A.B`, `import struct A.B`: module A. Text in multi-line string
    /// literals is no import.
    var imports: [Import] {
        var inLiteral = false
        return lines.enumerated().compactMap { number, line in
            if line.contains("\"\"\"") { inLiteral.toggle() }
            var words = line.trimmingSpaces.split(separator: " ").map(String.init)
            guard !inLiteral, let at = words.firstIndex(of: "import"),
                words[..<at].allSatisfy({ $0.wholeMatch(of: /@\w+(\(\w+\))?/) != nil || Self.accessLevels.contains($0) }
                )
            else { return nil }
            let attributes = Array(words[..<at])
            words.removeSubrange(...at)
            if let first = words.first, Self.kinds.contains(first) { words.removeFirst() }
            guard let module = words.first?.split(separator: ".").first else { return nil }
            return Import(module: String(module), line: number + 1, attributes: attributes)
        }
    }

    private static let accessLevels: Set = ["public", "package", "internal", "fileprivate", "private"]
    private static let kinds: Set = ["struct", "class", "enum", "protocol", "typealias", "func", "var", "let"]

    /// Lines with `#if`, `#elseif` conditions that name an operating system.
    var systemConditions: [(line: Int, text: String)] {
        conditions.filter { $0.text.contains("os(") || $0.text.contains("targetEnvironment(") }
    }

    var conditions: [(line: Int, text: String)] {
        lines.enumerated().compactMap { number, line in
            let text = line.trimmingSpaces
            return text.hasPrefix("#if") || text.hasPrefix("#elseif") ? (number + 1, String(text)) : nil
        }
    }

    /// For each line number (from 1) the nearest enclosing `#if` condition, or nil.
    func enclosingCondition(ofLine wanted: Int) -> String? {
        var stack: [String] = []
        for (number, line) in lines.enumerated() {
            if number + 1 == wanted { return stack.last }
            let text = line.trimmingSpaces
            if text.hasPrefix("#if") { stack.append(String(text)) }
            if text.hasPrefix("#endif") { stack.removeLast() }
        }
        return nil
    }

    /// Lines that are neither blank, comment nor import.
    var statements: [Substring] {
        lines.map(\.trimmingSpaces).filter { !$0.isEmpty && !$0.hasPrefix("//") && !$0.contains("import ") }
    }
}

extension Substring {
    var trimmingSpaces: Substring {
        var text = self
        while text.first?.isWhitespace == true { text.removeFirst() }
        while text.last?.isWhitespace == true { text.removeLast() }
        return text
    }
}
