import APIServer
import Foundation
import KubeAPI
import Proto

@testable import VKAdapter

extension SoakPods {
    /// What is not as it has to be once everybody has had the time: in the API server, in the runtime, on the disk.
    func problems(on node: Node) throws -> [String] {
        var problems: [String] = []
        let late = wanted.filter { $0.value.uid == nil }.keys
        problems += late.map { "\($0) is not made yet" }
        let pods = try server.objects("pods").map { try Pod($0) }
        let uids = Set(wanted.values.compactMap(\.uid))
        for pod in pods where !uids.contains(pod.metadata.uid) {
            problems.append("\(pod.metadata.name) (\(pod.metadata.uid)) was deleted and is still in the API server")
        }
        let known = Set(pods.map(\.metadata.uid))
        for (name, one) in wanted where one.uid.map({ !known.contains($0) }) ?? false {
            problems.append("\(name) is wanted and not in the API server")
        }
        let (sandboxes, containers, twins) = runtime.edit { state in
            (Array(state.sandboxes.values), Array(state.containers.values), state.twins)
        }
        problems += twins.map { "pod \($0) got a sandbox while it had another" }
        let bySandbox = Dictionary(grouping: sandboxes) { $0.config.metadata?.uid ?? "" }
        for (uid, own) in bySandbox where !uids.contains(uid) {
            problems.append("the runtime has \(own.count) sandboxes of \(uid), which nobody wants")
        }
        let byPod = Dictionary(grouping: containers) { $0.status.labels[KubeletLabel.podUID] ?? "" }
        for pod in pods where uids.contains(pod.metadata.uid) {
            let uid = pod.metadata.uid
            problems += Self.problems(pod, bySandbox[uid] ?? [], byPod[uid] ?? []).map { "\(pod.metadata.name): \($0)" }
        }
        for (what, directory) in [("files", node.root + "/pods"), ("logs", node.directory + "/logs")] {
            let names = node.exists(directory) ? try FileManager.default.contentsOfDirectory(atPath: directory) : []
            for name in names where !uids.contains(where: { name.hasSuffix($0) }) {
                problems.append("\(what) of \(name), which nobody wants, are still there")
            }
        }
        return problems
    }

    /// What the status of a pod does not say as its runtime has it.
    private static func problems(
        _ pod: Pod, _ sandboxes: [FakeRuntime.Sandbox], _ containers: [FakeRuntime.Container]
    ) -> [String] {
        var problems: [String] = []
        let status = pod.status
        let newest = containers.max { $0.status.createdAt < $1.status.createdAt }?.status
        let told = status.containerStatuses.first
        let ready = sandboxes.filter { $0.status.state == .sandboxReady }
        if ready.count > 1 { problems.append("\(ready.count) sandboxes") }
        if containers.count(where: { $0.status.state == .containerRunning }) > 1 { problems.append("runs twice") }
        let isOver = status.phase == .succeeded || status.phase == .failed
        if isOver {
            if pod.spec.restartPolicy == .always { problems.append("\(status.phase), and would have to run for ever") }
            if newest?.state == .containerRunning { problems.append("\(status.phase), and runs") }
            if let newest, newest.state == .containerExited,
                told?.state.terminated?.exitCode != newest.exitCode
            {
                problems.append("ended with \(newest.exitCode), told as \(String(describing: told?.state))")
            }
            return problems
        }
        guard let newest, newest.state == .containerRunning, ready.count == 1 else {
            problems.append("\(status.phase), and does not run: \(String(describing: told?.state))")
            return problems
        }
        if status.phase != .running { problems.append("runs and is \(status.phase)") }
        if status.condition(.ready)?.status != "True" { problems.append("not ready") }
        if told?.state.running == nil || told?.containerID.hasSuffix("/" + newest.id) != true {
            problems.append("\(newest.id) runs, told is \(told?.containerID ?? "nothing")")
        }
        if Int64(told?.restartCount ?? -1) != Int64(newest.metadata?.attempt ?? 0) {
            problems.append("restarts \(String(describing: told?.restartCount)), are \(newest.metadata?.attempt ?? 0)")
        }
        if pod.spec.containers.first?.image != newest.image?.userSpecifiedImage {
            problems.append("image \(newest.image?.userSpecifiedImage ?? "") runs, wanted is another")
        }
        if status.podIP != ready.first?.status.network?.ip { problems.append("has another address: \(status.podIP)") }
        if status.observedGeneration != pod.metadata.generation { problems.append("has another generation") }
        return problems
    }
}
