/// How names of the wire become names in C (protoc-c's rules) and in Swift (ours).
enum Names {
    /// `PodSandboxConfig` → `pod_sandbox_config`, as protoc-c does it: a run of capitals gets no underscores.
    static func cFunctionPart(_ name: String) -> String {
        var result = ""
        var previousUpper = true
        for character in name {
            if character.isUppercase, !previousUpper { result.append("_") }
            previousUpper = character.isUppercase
            result += character.lowercased()
        }
        return result
    }

    /// protoc-c lower-cases fields and appends an underscore to C++ keywords.
    static func cField(_ name: String) -> String {
        let lower = name.lowercased()
        return cppKeywords.contains(lower) ? lower + "_" : lower
    }

    /// `pod_sandbox_id` → `podSandboxId`; what has no underscore keeps its spelling.
    static func swiftProperty(_ name: String) -> String {
        let parts = name.split(separator: "_")
        return parts[0].lowercasedFirst + parts.dropFirst().map(\.uppercasedFirst).joined()
    }

    /// `CONTAINER_RUNNING` → `containerRunning`, `RuntimeDefault` → `runtimeDefault`.
    static func swiftCase(_ name: String) -> String {
        let isShouting = !name.contains { $0.isLowercase }
        guard isShouting else { return Substring(name).lowercasedFirst }
        let parts = name.lowercased().split(separator: "_")
        return parts[0] + parts.dropFirst().map(\.uppercasedFirst).joined()
    }

    static func quoted(_ name: String) -> String {
        swiftKeywords.contains(name) ? "`\(name)`" : name
    }

    private static let cppKeywords: Set = [
        "and", "asm", "auto", "bool", "break", "case", "catch", "char", "class", "const", "continue", "default",
        "delete",
        "do", "double", "else", "enum", "explicit", "export", "extern", "false", "float", "for", "friend", "goto", "if",
        "inline", "int", "long", "mutable", "namespace", "new", "operator", "private", "protected", "public",
        "register",
        "return", "short", "signed", "sizeof", "static", "struct", "switch", "template", "this", "throw", "true", "try",
        "typedef", "typeid", "typename", "union", "unsigned", "using", "virtual", "void", "volatile", "while",
    ]
    private static let swiftKeywords: Set = [
        "as", "associatedtype", "break", "case", "catch", "class", "continue", "default", "defer", "deinit", "do",
        "else",
        "enum", "extension", "false", "for", "func", "guard", "if", "import", "in", "init", "inout", "internal", "is",
        "let",
        "nil", "operator", "private", "protocol", "public", "repeat", "rethrows", "return", "self", "static", "struct",
        "subscript", "super", "switch", "throw", "throws", "true", "try", "typealias", "var", "where", "while",
    ]
}

extension StringProtocol {
    var lowercasedFirst: String { prefix(1).lowercased() + dropFirst() }
    var uppercasedFirst: String { prefix(1).uppercased() + dropFirst() }
}
