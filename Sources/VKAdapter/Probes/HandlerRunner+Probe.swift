import KubeAPI

extension HandlerRunner {
    /// Asks a container once. What it says and what is said of it are the kubelet's words.
    func probe(_ probe: Probe, _ target: HandlerTarget, timeout: Duration) async -> ProbeState.Outcome {
        do {
            if let action = probe.exec {
                let (code, output) = try await exec(action, target, timeout: timeout)
                return code == 0 ? .success : .failure(output)
            }
            if let action = probe.httpGet {
                let answer = try await get(action, target, defaultAgent: "kube-probe/1.36", timeout: timeout)
                return (200..<400).contains(answer.status)
                    ? .success : .failure("HTTP probe failed with statuscode: \(answer.status)")
            }
            if let action = probe.tcpSocket {
                try await connect(action, target, timeout: timeout)
                return .success
            }
            if let action = probe.grpc {
                let status = try await health(action, target, timeout: timeout)
                return status == "SERVING" ? .success : .failure("service unhealthy (responded with \"\(status)\")")
            }
            return .success
        } catch let error as AdapterError {
            if probe.exec == nil {
                // Whatever goes wrong on the way to a port, the port does not answer.
                return error.code == .invalidArgument ? .unknown("\(error)") : .failure("\(error)")
            }
            guard error.code == .timedOut else { return .unknown("\(error)") }
            let command = (probe.exec?.command ?? []).joined(separator: " ")
            return .failure("command timed out: \"\(command)\" timed out after \(WaitingReason.goText(timeout))")
        } catch {
            return .unknown("\(error)")
        }
    }

    func connect(_ action: TCPSocketAction, _ target: HandlerTarget, timeout: Duration) async throws {
        guard let port = target.number(action.port) else {
            throw AdapterError(.invalidArgument, "couldn't find port: \(action.port)")
        }
        if action.host.isEmpty || action.host == target.address.ip {
            try await dialer.check(port, of: target.address, timeout: timeout)
        } else {
            try await DirectDialer.check(host: action.host, port: port, timeout: timeout, group: group)
        }
    }
}
