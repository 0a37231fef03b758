import HTTP
import KubeAPI
import NIOCore
import NIOHTTP1
import Proto

extension KubeletAPI {
    func containerLogs(_ namespace: String, _ name: String, _ container: String, _ request: HTTPRequest)
        async throws -> HTTPResponse
    {
        let options: LogOptions
        do throws(AdapterError) {
            options = try LogOptions(query: request.query, now: now())
        } catch {
            throw Refusal(status: .unprocessableEntity, text: error.message)
        }
        let pod = try pod(namespace, name, nil, "pod \"\(name)\" does not exist\n")
        guard pod.spec.allContainers.contains(where: { $0.name == container }) else {
            throw Refusal(status: .notFound, text: "container \"\(container)\" not found in pod \"\(name)\"\n")
        }
        let run = try Self.run(of: container, in: pod, previous: options.previous)
        let path = try await logPath(pod, container, run)
        let (logs, store) = (logs, store)
        let isRunning: @Sendable () async -> Bool = {
            let statuses = store.pod(uid: pod.metadata.uid)?.status
            return (statuses?.allContainerStatuses ?? []).contains {
                $0.name == container && $0.containerID == run.containerID && $0.state.running != nil
            }
        }
        guard try await logs.exists(path) else {
            throw Refusal(
                status: .badRequest, text: "the log of container \"\(container)\" in pod \"\(name)\" is gone: \(path)")
        }
        return HTTPResponse(
            .ok, headers: ["content-type": "text/plain"],
            body: .stream { writer in
                try await logs.read(path, options, isRunning: isRunning) { try await writer.write($0) }
            })
    }

    struct Run: Sendable, Hashable {
        /// `RUNTIME://ID`
        var containerID: String
        var attempt: Int32
    }

    /// Whose log is meant (kubelet `validateContainerLogStatus`).
    static func run(of container: String, in pod: Pod, previous: Bool) throws -> Run {
        let name = pod.metadata.name
        func refuse(_ text: String) -> Refusal { Refusal(status: .badRequest, text: text) }
        let subject = "container \"\(container)\" in pod \"\(name)\""
        guard
            let status = pod.status.allContainerStatuses
                .first(where: { $0.name == container })
        else { throw refuse("\(subject) is not available") }
        let last = status.lastState.terminated
        func before() -> Run? {
            guard let last, !last.containerID.isEmpty else { return nil }
            // A container that waits to be started again is still the one that ended.
            let isNewer = status.containerID != last.containerID
            return Run(containerID: last.containerID, attempt: status.restartCount - (isNewer ? 1 : 0))
        }
        if previous {
            guard let run = before() else {
                throw refuse("previous terminated \(subject) not found")
            }
            return run
        }
        if status.state.running != nil || status.state.terminated?.containerID.isEmpty == false {
            return Run(containerID: status.containerID, attempt: status.restartCount)
        }
        if last != nil || status.state.terminated != nil {
            guard let run = before() else { throw refuse("\(subject) is terminated") }
            return run
        }
        switch status.state.waiting?.reason {
        case "ErrImagePull": throw refuse("\(subject) is waiting to start: image can't be pulled")
        case "ImagePullBackOff": throw refuse("\(subject) is waiting to start: trying and failing to pull image")
        case .some(let reason): throw refuse("\(subject) is waiting to start: \(reason)")
        case nil: throw refuse("\(subject) is waiting to start - no logs yet")
        }
    }

    /// Where the log of a run is, as the runtime says; as it was asked to, while it is away.
    private func logPath(_ pod: Pod, _ container: String, _ run: Run) async throws -> String {
        let asked =
            PodMapping.logDirectory(pod, mapping) + "/"
            + PodMapping.logPath(container: container, attempt: UInt32(clamping: run.attempt))
        do {
            let observed = try await provider.observe(podUID: pod.metadata.uid)
            let path = observed.containers.first {
                run.containerID == $0.id || run.containerID.hasSuffix("://\($0.id)")
            }?.status.logPath
            return path.flatMap { $0.isEmpty ? nil : $0 } ?? asked
        } catch {
            return asked
        }
    }
}
