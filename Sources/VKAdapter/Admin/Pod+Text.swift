import KubeAPI

extension Pod {
    /// `1/2`
    var readyText: String {
        let statuses = status.containerStatuses
        return "\(statuses.count { $0.ready })/\(max(statuses.count, spec.containers.count))"
    }

    /// In one word, as `kubectl get pods` says it: what holds it up rather than its phase.
    var statusText: String {
        var text = status.reason.isEmpty ? status.phase.rawValue : status.reason
        let sidecars = Set(spec.initContainers.filter(\.isSidecar).map(\.name))
        var isInitializing = false
        for (index, container) in status.initContainerStatuses.enumerated() {
            if let end = container.state.terminated {
                if end.exitCode == 0 { continue }
                text = "Init:" + (end.reason.isEmpty ? "ExitCode:\(end.exitCode)" : end.reason)
            } else if sidecars.contains(container.name), container.started == true {
                continue
            } else if let reason = container.state.waiting?.reason, !reason.isEmpty, reason != "PodInitializing" {
                text = "Init:\(reason)"
            } else {
                text = "Init:\(index)/\(spec.initContainers.count)"
            }
            isInitializing = true
            break
        }
        if !isInitializing {
            var isRunning = false
            for container in status.containerStatuses.reversed() {
                if let reason = container.state.waiting?.reason, !reason.isEmpty {
                    text = reason
                } else if let end = container.state.terminated {
                    text = end.reason.isEmpty ? "ExitCode:\(end.exitCode)" : end.reason
                } else if container.ready, container.state.running != nil {
                    isRunning = true
                }
            }
            if text == "Completed", isRunning {
                text = status.condition(.ready)?.status == "True" ? "Running" : "NotReady"
            }
        }
        if metadata.deletionTimestamp != nil { return "Terminating" }
        return text.isEmpty ? "Unknown" : text
    }
}

extension ContainerStatus {
    var stateText: String {
        if state.running != nil { return "Running" }
        if let end = state.terminated { return "\(end.reason.isEmpty ? "Terminated" : end.reason) (\(end.exitCode))" }
        let reason = state.waiting?.reason ?? ""
        return reason.isEmpty ? "Waiting" : reason
    }

    var messageText: String { state.waiting?.message ?? state.terminated?.message ?? "" }
}

/// How long ago something was, as `kubectl` rounds it.
enum Age {
    static func text(_ duration: Duration) -> String {
        let seconds = max(0, duration.components.seconds)
        let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86400)
        func two(_ large: String, _ small: Int64, _ unit: String) -> String {
            small == 0 ? large : "\(large)\(small)\(unit)"
        }
        if seconds < 120 { return "\(seconds)s" }
        if minutes < 10 { return two("\(minutes)m", seconds % 60, "s") }
        if minutes < 180 { return "\(minutes)m" }
        if hours < 8 { return two("\(hours)h", minutes % 60, "m") }
        if hours < 48 { return "\(hours)h" }
        if days < 8 { return two("\(days)d", hours % 24, "h") }
        if days < 365 * 2 { return "\(days)d" }
        if days < 365 * 8 { return two("\(days / 365)y", days % 365, "d") }
        return "\(days / 365)y"
    }
}
