/// One thing that is looked at. Pure, but for what it asks of the host.
struct Check: Sendable {
    var name: String
    var deadline = Duration.seconds(15)
    /// Nothing where it does not apply.
    var look: @Sendable (any Host, Subject) async -> [Verdict]

    init(
        _ name: String, deadline: Duration = .seconds(15),
        _ look: @escaping @Sendable (any Host, Subject) async -> [Verdict]
    ) {
        self.name = name
        self.deadline = deadline
        self.look = look
    }

    /// In the order they are shown.
    static let all: [Check] =
        configurationChecks + macChecks + machineChecks + dockerChecks + storageChecks + guestChecks + networkChecks
        + serviceChecks

    func findings(_ host: any Host, _ subject: Subject) async -> [Finding] {
        await verdicts(host, subject).map { Finding(check: name, level: $0.level, what: $0.what, fix: $0.fix) }
    }

    /// A check that hangs, in a dead network file system for example, is left behind.
    private func verdicts(_ host: any Host, _ subject: Subject) async -> [Verdict] {
        let (answers, answer) = AsyncStream.makeStream(of: [Verdict].self)
        let looking = Task { answer.yield(await look(host, subject)) }
        let overdue = Task {
            try await Task.sleep(for: deadline)
            answer.yield([
                .warning(
                    "nothing was found out within \(deadline)",
                    fix: "see whether the host is busy or a file system hangs, and run cri-shim doctor again")
            ])
        }
        defer {
            looking.cancel()
            overdue.cancel()
        }
        for await verdicts in answers { return verdicts }
        return []
    }
}

/// Looks at a host.
public enum Doctor {
    /// Runs every check, side by side, each with a deadline.
    /// - Returns: what applies to this host, in a fixed order.
    public static func examine(_ host: any Host, _ subject: Subject) async -> [Finding] {
        await examine(host, subject, Check.all)
    }

    static func examine(_ host: any Host, _ subject: Subject, _ checks: [Check]) async -> [Finding] {
        await withTaskGroup(of: (Int, [Finding]).self) { group in
            for (index, check) in checks.enumerated() {
                group.addTask { (index, await check.findings(host, subject)) }
            }
            var found: [Int: [Finding]] = [:]
            for await (index, findings) in group { found[index] = findings }
            return checks.indices.flatMap { found[$0] ?? [] }
        }
    }
}
