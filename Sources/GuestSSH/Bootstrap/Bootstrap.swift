/// How a command gets into a guest exactly as it is.
///
/// The login shell, whichever it is, is given one short fixed line that replaces it by `/bin/sh`. That reads one line from its
/// standard input, the script made here, and runs it: it changes directory, sets the environment, says its process id, and
/// replaces itself by the command. `read` takes no byte beyond its line, so the rest of the input is the command's.
/// What the guest prints before the process id (login messages, warnings of the shell's start-up files) is dropped.
struct Bootstrap: Sendable {
    /// For the login shell: no character that any shell treats in a special way inside single quotes.
    static let loginCommand =
        "exec /bin/sh -c 'IFS= read -r \(ShellQuoting.newline) && eval \"$\(ShellQuoting.newline)\"'"

    /// The modes a terminal is asked for with, so that it passes the script on as it is and does not show it: no echo, no
    /// lines, no signals, no flow control. The script sets them right.
    static let terminalModes: [UInt8] = {
        // ICRNL, IXON, ISIG, ICANON, ECHO, IEXTEN: off.
        [36, 38, 50, 51, 53, 59].flatMap { [$0, 0, 0, 0, 0] } + [0]
    }()

    /// What the guest says when the command is about to run.
    let marker: String
    /// One line for `/bin/sh`, its newline included.
    let script: String

    /// - Parameter nonce: nothing a login message can hold by chance; letters and digits.
    /// - Throws: `GuestSSHError` with `invalidArgument` for what no process can be given.
    init(_ command: GuestCommand, nonce: String) throws(GuestSSHError) {
        marker = "vzcri-\(nonce)"
        guard !command.arguments.isEmpty else {
            throw GuestSSHError(.invalidArgument, "a command has at least a program's name")
        }
        let texts = command.arguments + [command.workingDirectory] + command.environment.flatMap { [$0.key, $0.value] }
        guard !texts.contains(where: { $0.utf8.contains(0) }) else {
            throw GuestSSHError(.invalidArgument, "arguments, environment and directory cannot hold NUL characters")
        }
        var steps: [String] = []
        if texts.contains(where: { $0.utf8.contains(UInt8(ascii: "\n")) }) {
            steps += [
                #"\#(ShellQuoting.newline)=$(printf '\nx')"#, "\(ShellQuoting.newline)=${\(ShellQuoting.newline)%x}",
            ]
        } else {
            steps += ["unset \(ShellQuoting.newline)"]
        }
        if command.terminal != nil { steps.append("stty icrnl ixon isig icanon echo iexten 2>/dev/null") }
        if !command.workingDirectory.isEmpty {
            steps.append("CDPATH= cd -- \(ShellQuoting.word(command.workingDirectory)) || exit 125")
        }
        var further: [String] = []
        for (name, value) in command.environment.sorted(by: { $0.key < $1.key }) {
            guard !name.isEmpty, !name.utf8.contains(UInt8(ascii: "=")) else {
                throw GuestSSHError(.invalidArgument, "\"\(name)\" is no name for an environment variable")
            }
            if ShellQuoting.isPlainName(name) {
                steps.append("export \(name)=\(ShellQuoting.word(value))")
            } else {
                further.append(ShellQuoting.word("\(name)=\(value)"))
            }
        }
        steps.append("echo \(marker) $$")
        if command.terminal == nil { steps.append("echo \(marker) >&2") }
        // Shells cannot set every name: the others are for env(1).
        let runner = further.isEmpty ? "exec" : "exec /usr/bin/env -- " + further.joined(separator: " ")
        steps.append(runner + " " + command.arguments.map(ShellQuoting.word).joined(separator: " "))
        script = steps.joined(separator: "; ") + "\n"
    }
}
