/// Which tests there are, by the types that hold them: read from the sources.
struct TestNames {
    /// By path of file: the types declared in it, and the names of its tests.
    private(set) var files: [(path: String, types: Set<String>, tests: Set<String>)] = []

    init(_ repository: Repository) throws {
        for path in try repository.ownSwiftFiles(under: "Tests") {
            let text = try repository.text(path)
            let tests = Self.tests(in: text)
            if !tests.isEmpty { files.append((path, Self.types(in: text), tests)) }
        }
    }

    /// Whether a file declares, or extends, this type and has a test of this name.
    func contains(_ test: String, in suite: String) -> Bool {
        files.contains { $0.types.contains(suite) && $0.tests.contains(test) }
    }

    func contains(suite: String) -> Bool { files.contains { $0.types.contains(suite) } }

    static func types(in text: String) -> Set<String> {
        Set(text.matches(of: /(?:struct|class|enum|extension)\s+([A-Za-z_][A-Za-z0-9_]*)/).map { String($0.1) })
    }

    /// The display name of each test; where it has none, the name of its function.
    static func tests(in text: String) -> Set<String> {
        var names: Set<String> = []
        for match in text.matches(of: /@Test\b/) {
            let rest = text[match.range.upperBound...]
            if let literal = rest.prefixMatch(of: /\(\s*"((?:[^"\\]|\\.)*)"/) {
                names.insert(String(literal.1))
            } else if let function = rest.firstMatch(of: /func\s+(?:`([^`]+)`|([A-Za-z0-9_]+))/) {
                names.insert(String(function.1 ?? function.2 ?? ""))
            }
        }
        return names
    }
}
