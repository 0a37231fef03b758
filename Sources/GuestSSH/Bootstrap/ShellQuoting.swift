/// Text as one word of a POSIX shell, in one line.
enum ShellQuoting {
    /// A shell variable that holds a newline while the bootstrap's line runs: the line itself can hold none.
    static let newline = "_vzcri"

    /// - Returns: a word that the shell takes for exactly this text, without a newline in it.
    static func word(_ text: String) -> String {
        var word = "'"
        for character in text.unicodeScalars {
            switch character {
            case "'": word += "'\\''"
            case "\n": word += "'\"$\(newline)\"'"
            default: word.unicodeScalars.append(character)
            }
        }
        return word + "'"
    }

    /// Names that shells take for variables and do not keep for themselves.
    static func isPlainName(_ name: String) -> Bool {
        guard let first = name.utf8.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else {
            return false
        }
        return name.utf8.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "_"):
                true
            default: false
            }
        } && !reserved.contains(name)
    }

    /// Read-only, computed or changed by some shell.
    private static let reserved: Set<String> = [
        "_", "BASHOPTS", "BASHPID", "BASH_VERSINFO", "BASH_VERSION", "DIRSTACK", "EGID", "EUID", "FUNCNAME", "GID",
        "GROUPS", "IFS", "LINENO", "OLDPWD", "OPTARG", "OPTIND", "PIPESTATUS", "PPID", "PWD", "RANDOM", "SECONDS",
        "SHELLOPTS", "SHLVL", "UID", "USERNAME", newline,
    ]
}
