import KubeAPI

/// A hook that did not do what it should.
struct HookFailure: Error, CustomStringConvertible {
    /// As the event says it.
    var description: String
}

extension HandlerRunner {
    /// Requests and connections of hooks take no longer.
    static let hookTimeout: Duration = .seconds(30)
    /// Commands of hooks that nobody limits end at the latest then.
    static let longestHook: Duration = .seconds(24 * 3600)

    /// Runs a hook to its end.
    /// - Parameter limit: it is broken off then.
    /// - Throws: ``HookFailure`` with the text of the event; `CancellationError`.
    func run(_ handler: LifecycleHandler, _ target: HandlerTarget, limit: Duration?) async throws {
        func failure(_ kind: String, _ what: String, _ error: String) -> HookFailure {
            HookFailure(
                description: "\(kind) lifecycle hook (\(what)) for Container \"\(target.container.name)\" failed - "
                    + "error: \(error)")
        }
        let time = limit ?? Self.hookTimeout
        if let action = handler.exec {
            let what = "[\(action.command.joined(separator: ", "))]"
            do {
                let (code, output) = try await exec(action, target, timeout: limit ?? Self.longestHook)
                guard code != 0 else { return }
                throw failure(
                    "Exec", what, "command '\(action.command.joined(separator: " "))' exited with \(code): \(output)")
            } catch let error where !(error is HookFailure) {
                try Task.checkCancellation()
                let isLate = (error as? AdapterError)?.code == .timedOut
                throw failure("Exec", what, isLate ? "timed out after \(WaitingReason.goText(time))" : "\(error)")
            }
        } else if let action = handler.httpGet {
            do {
                // What the answer says is nobody's business.
                _ = try await get(action, target, defaultAgent: "kube-lifecycle/1.36", timeout: time)
            } catch {
                try Task.checkCancellation()
                throw failure("HTTP", action.path, "\(error)")
            }
        } else if let action = handler.tcpSocket {
            do {
                try await connect(action, target, timeout: time)
            } catch {
                try Task.checkCancellation()
                throw failure("TCP", "\(action.port)", "\(error)")
            }
        } else if let action = handler.sleep {
            let wanted = Duration.written(seconds: action.seconds)
            try await Task.sleep(for: limit.map { min($0, wanted) } ?? wanted)
            if let limit, limit < wanted {
                throw failure("Sleep", "\(action.seconds)", "container terminated before sleep hook finished")
            }
        }
    }
}
