import VZEngine

/// What the status of a container that runs says beyond that.
enum MachineNotices {
    /// Reason and message; empty when there is nothing to say. That it has failed already counts before all else.
    static func words(for status: MachineStatus) -> (reason: String, message: String) {
        if let held = status.held {
            let cause = held.message.isEmpty ? "" : ": " + held.message
            return (
                "HeldOnFailure",
                "ended with \(held.exitCode) (\(held.reason)\(cause)); its machine is kept until "
                    + "\(Timestamps.text(held.until)) or until it is stopped"
            )
        }
        guard let notices = status.notices, let first = notices.first else { return ("", "") }
        // What is missing is worse than what is another way than asked for.
        let reason = notices.contains { $0.reason == unavailable } ? unavailable : first.reason
        return (
            reason,
            notices.map { $0.reason == reason ? $0.message : "\($0.reason): \($0.message)" }.joined(separator: "; ")
        )
    }

    /// A mount that the guest has elsewhere.
    private static let unavailable = "MountPathUnavailable"

    static func new(in status: MachineStatus, since before: MachineStatus?) -> [MachineStatus.Notice] {
        (status.notices ?? []).filter { before?.notices?.contains($0) != true }
    }
}
