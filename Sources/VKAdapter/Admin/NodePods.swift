import HTTP
import KubeAPI
import NIOCore
import NIOHTTP1
import NIOPosix
import Sockets

/// The pods of a running adapter on this machine, for people.
public struct NodePods: Sendable {
    struct Item: Sendable {
        var pod: Pod
        var events: [Value]
    }

    let items: [Item]
    var now: @Sendable () -> Timestamp = { Timestamp.now() }

    /// Asks the adapter whose directory this is.
    /// - Throws: ``AdapterError``.
    public static func ask(root: String) async throws -> NodePods {
        let path = AdminServer.path(root: root)
        let client = HTTPClient(endpoint: .unix(path: path), group: MultiThreadedEventLoopGroup.singleton)
        let bytes: [UInt8]
        do {
            let response = try await client.execute(.GET, "/pods", timeout: .seconds(10))
            bytes = Array(buffer: try await response.body.collect(upTo: 256 << 20))
        } catch {
            await client.close()
            throw AdapterError(
                .unavailable,
                "no adapter answers at \(path): is `vk-adapter run` running here, with this root, as this user?",
                cause: error)
        }
        await client.close()
        return try NodePods(bytes)
    }

    init(_ bytes: [UInt8]) throws {
        do {
            items = try (try Documents.json(bytes)["items"]?.array ?? []).map { item in
                Item(pod: try Pod(item["pod"] ?? Value(.object([]))), events: item["events"]?.array ?? [])
            }
        } catch {
            throw AdapterError(.failed, "cannot read the adapter's answer: is it another version?", cause: error)
        }
    }

    /// A table of all pods, or of a namespace's.
    public func table(namespace: String? = nil) -> String {
        let shown = items.map(\.pod).filter { namespace == nil || $0.metadata.namespace == namespace }
        if shown.isEmpty { return "No pods.\n" }
        return Table(
            ["NAMESPACE", "NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP"],
            shown.map { pod in
                [
                    pod.metadata.namespace, pod.metadata.name, pod.readyText, pod.statusText,
                    "\(pod.status.containerStatuses.reduce(0) { $0 + Int($1.restartCount) })",
                    age(pod.status.startTime ?? pod.metadata.creationTimestamp),
                    pod.status.podIP.isEmpty ? "<none>" : pod.status.podIP,
                ]
            }
        ).text
    }

    /// One pod with its containers, conditions and last events.
    /// - Parameter name: `NAME`, or `NAMESPACE/NAME`.
    /// - Throws: ``AdapterError``: `notFound`, or `invalidArgument` when several are called so.
    public func details(_ name: String, namespace: String? = nil) throws -> String {
        let parts = name.split(separator: "/", maxSplits: 1).map(String.init)
        let (wanted, space) = parts.count == 2 ? (parts[1], parts[0]) : (name, namespace)
        let found = items.filter {
            $0.pod.metadata.name == wanted && (space == nil || $0.pod.metadata.namespace == space)
        }
        guard let item = found.first else {
            throw AdapterError(.notFound, "no pod \(name) is on this node: `vk-adapter pods` lists those that are")
        }
        guard found.count == 1 else {
            throw AdapterError(
                .invalidArgument, "several pods are called \(name): say NAMESPACE/NAME or --namespace NAMESPACE")
        }
        return describe(item)
    }

    private func describe(_ item: Item) -> String {
        let pod = item.pod
        let addresses = pod.status.podIPs.map(\.ip).joined(separator: ", ")
        var rows: [[String]] = [
            ["Name:", pod.metadata.name], ["Namespace:", pod.metadata.namespace], ["UID:", pod.metadata.uid],
            ["Status:", pod.statusText], ["Age:", age(pod.status.startTime ?? pod.metadata.creationTimestamp)],
            ["IP:", addresses.isEmpty ? "<none>" : addresses],
        ]
        if !pod.status.message.isEmpty { rows.append(["Message:", pod.status.message]) }
        var text = Table(rows).text
        let statuses = pod.status.initContainerStatuses + pod.status.containerStatuses
        if !statuses.isEmpty {
            text += "\nContainers:\n"
            text +=
                Table(
                    ["NAME", "READY", "STATE", "RESTARTS", "AGE", "IMAGE", "MESSAGE"],
                    statuses.map { status in
                        [
                            status.name, status.ready ? "yes" : "no", status.stateText, "\(status.restartCount)",
                            age(status.state.running?.startedAt ?? status.state.terminated?.finishedAt), status.image,
                            status.messageText,
                        ]
                    }, indent: "  "
                ).text
        }
        if !pod.status.conditions.isEmpty {
            text += "\nConditions:\n"
            text +=
                Table(
                    ["TYPE", "STATUS", "SINCE", "REASON", "MESSAGE"],
                    pod.status.conditions.map {
                        [$0.type.rawValue, $0.status, age($0.lastTransitionTime), $0.reason, $0.message]
                    }, indent: "  "
                ).text
        }
        text += "\nEvents:\n"
        if item.events.isEmpty { return text + "  none since the adapter started\n" }
        text +=
            Table(
                ["TYPE", "REASON", "AGE", "CONTAINER", "MESSAGE"],
                item.events.map { event in
                    let count = event.count > 1 ? " (x\(event.count))" : ""
                    let last = event["lastTimestamp"]?.string.flatMap { Timestamp(rfc3339: $0) }
                    return [
                        event["type"]?.string ?? "", event["reason"]?.string ?? "", age(last) + count,
                        event["container"]?.string ?? "", event["message"]?.string ?? "",
                    ]
                }, indent: "  "
            ).text
        return text
    }

    private func age(_ time: Timestamp?) -> String {
        guard let time else { return "<unknown>" }
        return Age.text(now().since(time))
    }
}

extension Value {
    fileprivate var count: Int64 {
        guard case .int(let count)? = self["count"]?.kind else { return 1 }
        return count
    }
}
