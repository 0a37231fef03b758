/// The CRI's numbered signals by the names Docker knows.
enum StopSignals {
    private static let names = [
        "", "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL", "SIGINT",
        "SIGIO",
        "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT", "SIGSEGV", "SIGSTKFLT", "SIGSTOP",
        "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM",
        "SIGWINCH", "SIGXCPU", "SIGXFSZ", "SIGRTMIN",
    ]

    /// nil for 0, the runtime's default.
    static func name(_ number: Int32) throws -> String? {
        switch number {
        case 0: nil
        case 1..<Int32(names.count): names[Int(number)]
        case 36...50: "SIGRTMIN+\(number - 35)"
        case 51...64: "SIGRTMAX-\(65 - number)"
        case 65: "SIGRTMAX"
        default: throw ShimError(.invalidArgument, "stop signal \(number) is unknown")
        }
    }
}
