import KubeAPI
import Logging

/// Keeps this node in the cluster: makes the object, tells what changes, and renews the lease that says it is alive.
actor NodeKeeper {
    struct Intervals: Sendable {
        /// Between renewals of the lease.
        var lease: Duration = .seconds(10)
        /// What one renewal may take: one that is not done when the next is due has failed.
        var leaseTimeout: Duration { max(.seconds(1), lease) }
        /// For how long a renewal counts.
        var leaseDuration: Duration = .seconds(40)
        /// Between statuses when nothing changed (`nodeStatusReportFrequency`).
        var report: Duration = .seconds(300)
        /// Before a status that failed is tried again; doubles up to ten times that.
        var retry: Duration = .seconds(1)
    }

    private let client: KubeClient
    private let intervals: Intervals
    private let logger: Logger
    private let now: @Sendable () -> Timestamp
    private let events: EventRecorder?
    private var wanted: NodeDescription
    /// What the API server had last.
    private var known: Node?
    private var reported: NodeDescription?
    private var failures = 0
    private let signals: AsyncStream<Void>
    private let signal: AsyncStream<Void>.Continuation

    init(
        _ description: NodeDescription, client: KubeClient, intervals: Intervals = Intervals(),
        events: EventRecorder? = nil, logger: Logger, now: @escaping @Sendable () -> Timestamp = { Timestamp.now() }
    ) {
        wanted = description
        self.client = client
        self.events = events
        self.intervals = intervals
        self.logger = logger
        self.now = now
        (signals, signal) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1))
    }

    /// Changes what the node says of itself; what did not change is not told.
    func update(_ change: @Sendable (inout NodeDescription) -> Void) {
        let before = wanted
        change(&wanted)
        if wanted != before { signal.yield() }
    }

    /// Whether the cluster knows all of it.
    var isTold: Bool { reported == wanted }

    /// Runs until the task is cancelled.
    func run() async {
        events?.record(ObjectReference(node: wanted.name), .normal, "Starting", "Starting kubelet.")
        signal.yield()
        await withDiscardingTaskGroup { group in
            group.addTask { await self.renewing() }
            group.addTask { await self.reporting() }
            group.addTask { [signal, intervals] in
                while true {
                    do { try await Task.sleep(for: intervals.report) } catch { return }
                    await self.forgetReport()
                    signal.yield()
                }
            }
        }
    }

    // MARK: The object

    private func reporting() async {
        var backOff = JitteredBackOff(initial: intervals.retry, maximum: intervals.retry * 10)
        for await _ in signals {
            while !Task.isCancelled {
                let began = ContinuousClock.now
                do {
                    try await report()
                    backOff.reset()
                    break
                } catch let error as KubeAPIError where error.isForbidden && dropForeignLabels() {
                    continue
                } catch {
                    if Task.isCancelled { return }
                    logger.warning("cannot tell the cluster of this node, trying on: \(error)")
                    known = nil
                    do { try await client.pause(backOff.step(), since: began) } catch { return }
                }
            }
        }
    }

    /// Gives up the labels that a node identity may not set.
    /// - Returns: whether there were any.
    private func dropForeignLabels() -> Bool {
        let foreign = wanted.labels.keys.filter { !NodeLabels.isOwn($0) }.sorted()
        guard !foreign.isEmpty else { return false }
        for label in foreign { wanted.labels[label] = nil }
        logger.notice(
            """
            the cluster lets no node give itself the labels \(foreign.joined(separator: ", ")): going on without; \
            an administrator can set them (kubectl label node \(wanted.name) …)
            """)
        return true
    }

    /// The next report is due, whatever it says.
    private func forgetReport() { reported = nil }

    private func report() async throws {
        let wanted = wanted
        guard reported != wanted else { return }
        var node: Node
        if let known { node = known } else { node = try await registered(wanted) }
        if let patch = Self.labelPatch(node, wanted) {
            node = try await client.patch(.nodes, name: wanted.name, patch)
        }
        let status = wanted.status(before: node.status, now: now())
        do {
            known = try await client.patch(
                .nodes, name: wanted.name, subresource: "status", Self.statusPatch(from: node.status, to: status))
        } catch let error as KubeAPIError where error.isNotFound {
            // Somebody deleted it (`kubectl delete node`): it is made again.
            known = try await registered(wanted)
        }
        reported = wanted
        for occurrence in wanted.occurrences(before: node.status, after: status) { events?.record(occurrence) }
    }

    /// The node as the API server has it, made where there was none.
    private func registered(_ wanted: NodeDescription) async throws -> Node {
        do {
            return try await client.get(.nodes, name: wanted.name)
        } catch let error as KubeAPIError where error.isNotFound {
            do {
                let node = try await client.create(wanted.newNode(now: now()), as: .nodes)
                logger.info("joined the cluster as node \(wanted.name)")
                for occurrence in wanted.occurrences(before: nil, after: node.status) { events?.record(occurrence) }
                return node
            } catch let error as KubeAPIError where error.isAlreadyThere {
                return try await client.get(.nodes, name: wanted.name)
            }
        }
    }

    /// - Returns: `nil` when the labels are there.
    static func labelPatch(_ node: Node, _ wanted: NodeDescription) -> Value? {
        let missing = wanted.labels.filter { node.metadata.labels[$0.key] != $0.value }
        guard !missing.isEmpty else { return nil }
        return Value(.object([Member("metadata", Value(.object([Member("labels", missing.encodedAlways())])))]))
    }

    /// Everything that is new, as a strategic merge. Conditions merge by their type, addresses are ours alone.
    static func statusPatch(from old: NodeStatus, to new: NodeStatus) -> Value {
        var members: [Member] = []
        guard case .object(let before) = old.encodedAlways().kind, case .object(let after) = new.encodedAlways().kind
        else { return Value(.object([])) }
        for member in after where before.first(where: { $0.name == member.name }) != member {
            var value = member.value
            switch member.name {
            case "conditions":
                value = Value(.array(new.conditions.filter { !old.conditions.contains($0) }.map { $0.encodedAlways() }))
            case "addresses":
                let replace = Value(.object([Member("$patch", Value(.string("replace")))]))
                value = Value(.array(new.addresses.map { $0.encodedAlways() } + [replace]))
            default:
                // Of a map, what is gone must be said.
                let gone = before.first { $0.name == member.name }?.value.memberNames ?? []
                let kept = Set(member.value.memberNames)
                if case .object(var inner) = value.kind {
                    for name in gone where !kept.contains(name) { inner.append(Member(name, Value(.null))) }
                    value = Value(.object(inner))
                }
            }
            members.append(Member(member.name, value))
        }
        return Value(.object([Member("status", Value(.object(members)))]))
    }

    // MARK: The lease

    private static let leaseNamespace = "kube-node-lease"

    private func renewing() async {
        var lease: Lease?
        // A renewal was swallowed: what else was on its way then may be as well.
        var wasSilent = false
        while !Task.isCancelled {
            do {
                let before = lease
                lease = try await withDeadline(
                    intervals.leaseTimeout, "the API server did not answer within \(intervals.leaseTimeout)"
                ) { try await self.renewed(before) }
                failures = 0
                if wasSilent { client.reconnect() }
                wasSilent = false
            } catch {
                if Task.isCancelled { return }
                if (error as? AdapterError)?.code == .timedOut { wasSilent = true }
                lease = nil
                failures += 1
                logger.warning("cannot renew the lease of this node: \(error)")
                // A network that swallows everything leaves connections that look alive.
                if failures % 3 == 0 {
                    client.reconnect()
                    wasSilent = false
                }
            }
            let pause = failures == 0 ? intervals.lease : min(intervals.retry, intervals.lease)
            do { try await Task.sleep(for: pause) } catch { return }
        }
    }

    private func renewed(_ before: Lease?) async throws -> Lease {
        var lease: Lease
        var isNew = false
        if let before {
            lease = before
        } else {
            do {
                lease = try await client.get(.leases, namespace: Self.leaseNamespace, name: wanted.name)
            } catch let error as KubeAPIError where error.isNotFound {
                lease = Lease()
                lease.metadata.name = wanted.name
                lease.metadata.namespace = Self.leaseNamespace
                isNew = true
            }
        }
        // The node's end takes its lease with it.
        if lease.metadata.ownerReferences.isEmpty, let known {
            lease.metadata.ownerReferences = [known.ownerReference()]
        }
        lease.spec.holderIdentity = wanted.name
        lease.spec.leaseDurationSeconds = Int32(intervals.leaseDuration.components.seconds)
        lease.spec.renewTime = PreciseTimestamp(now())
        if isNew { return try await client.create(lease, as: .leases, namespace: Self.leaseNamespace) }
        return try await client.replace(lease, as: .leases, namespace: Self.leaseNamespace)
    }
}

extension Value {
    /// The names of an object's members; none of anything else.
    fileprivate var memberNames: [String] {
        guard case .object(let members) = kind else { return [] }
        return members.map(\.name)
    }
}
