import NIOCore
import Proto
import RPC
import Synchronization

/// Everything this shim knows of its sandboxes and containers, in memory. Runtimes feed it; every read of the CRI is
/// answered from it, synchronously. Each object's list element is kept in its wire form, and so is the unfiltered list,
/// so that listing costs a copy at most.
///
/// The lock is held for dictionary work only; nothing waits under it.
final class StateStore: Sendable {
    struct Slot<Entry: Sendable>: Sendable {
        var entry: Entry
        /// Field 1, length-delimited, as it stands in a list response.
        var element: ByteBuffer
    }

    struct State {
        var sandboxes: [String: Slot<SandboxEntry>] = [:]
        var containers: [String: Slot<ContainerEntry>] = [:]
        var sandboxList: ByteBuffer?
        var containerList: ByteBuffer?
        var subscribers: [Int: EventSubscriber] = [:]
        var nextSubscriber = 0
        /// Runtimes whose part is not known yet, and why.
        var incomplete: [String: ShimError] = [:]
    }

    let state = Mutex(State())
    /// Ids of sandboxes whose holder died while a machine lives in them.
    let holderLosses: AsyncStream<String>
    let holderLossesIn: AsyncStream<String>.Continuation

    init() {
        (holderLosses, holderLossesIn) = AsyncStream.makeStream(bufferingPolicy: .bufferingNewest(1024))
    }

    // MARK: Changes

    /// Adds or replaces a sandbox and tells the subscribers what became of it.
    func put(_ sandbox: SandboxEntry) throws {
        let element = try Self.element(sandbox.listed)
        state.withLock { state in
            var sandbox = sandbox
            if let present = state.sandboxes[sandbox.id]?.entry {
                sandbox.guestAddresses = present.guestAddresses
            }
            sandbox.machines = state.sandboxes[sandbox.id]?.entry.machines ?? []
            let before = state.sandboxes.updateValue(Slot(entry: sandbox, element: element), forKey: sandbox.id)?.entry
            state.sandboxList = nil
            state.announce(sandbox, before: before)
        }
    }

    /// Changes a sandbox that exists; does nothing for one that does not.
    func updateSandbox(_ id: String, _ change: (inout SandboxEntry) -> Void) throws {
        try state.withLock { state in
            guard let slot = state.sandboxes[id] else { return }
            var entry = slot.entry
            change(&entry)
            let element = try Self.element(entry.listed)
            state.sandboxes[id] = Slot(entry: entry, element: element)
            state.sandboxList = nil
            if entry.needsHolderAgain, !slot.entry.needsHolderAgain || slot.entry.holder != entry.holder {
                holderLossesIn.yield(id)
            }
            state.announce(entry, before: slot.entry)
        }
    }

    func removeSandbox(_ id: String) {
        state.withLock { state in
            guard let slot = state.sandboxes.removeValue(forKey: id) else { return }
            state.sandboxList = nil
            state.announce(.containerDeletedEvent, of: id, sandbox: slot.entry)
        }
    }

    /// Adds or replaces a container and tells the subscribers what became of it.
    func put(_ container: ContainerEntry) throws {
        let element = try Self.element(container.listed)
        state.withLock { state in
            let slot = Slot(entry: container, element: element)
            let before = state.containers.updateValue(slot, forKey: container.id)?.entry
            state.containerList = nil
            // A sandbox with a machine that runs is ready: before anybody hears of the machine.
            if container.runtime == VMRuntime.handler { state.noteMachine(container) }
            state.announce(container, before: before)
        }
    }

    func removeContainer(_ id: String) {
        state.withLock { state in
            guard let slot = state.containers.removeValue(forKey: id) else { return }
            state.containerList = nil
            if slot.entry.runtime == VMRuntime.handler { state.forgetMachine(slot.entry) }
            state.announce(
                .containerDeletedEvent, of: id, sandbox: state.sandboxes[slot.entry.sandboxID]?.entry)
        }
    }

    // MARK: Reads

    /// The sandbox with this id, or the only one whose id begins so.
    /// - Throws: `notFound`; `invalidArgument` when several begin so.
    func sandbox(_ id: String) throws -> SandboxEntry {
        try state.withLock { state in
            try Self.find(id, in: state.sandboxes, what: "pod sandbox").entry
        }
    }

    /// As ``sandbox(_:)``, for containers.
    func container(_ id: String) throws -> ContainerEntry {
        try state.withLock { state in
            try Self.find(id, in: state.containers, what: "container").entry
        }
    }

    /// nil when there is none; still throws for an ambiguous prefix.
    func sandboxIfPresent(_ id: String) throws -> SandboxEntry? {
        do { return try sandbox(id) } catch let error as ShimError where error.code == .notFound { return nil }
    }

    func containerIfPresent(_ id: String) throws -> ContainerEntry? {
        do { return try container(id) } catch let error as ShimError where error.code == .notFound { return nil }
    }

    func containers(inSandbox id: String) -> [ContainerEntry] {
        state.withLock { $0.containers(inSandbox: id) }
    }

    func sandboxes(matching filter: CRI.PodSandboxFilter?) -> [SandboxEntry] {
        state.withLock { state in
            state.sandboxes.values.map(\.entry).filter { filter.map($0.matches) ?? true }
        }.sorted { ($0.record.createdAt, $0.id) < ($1.record.createdAt, $1.id) }
    }

    func containers(matching filter: CRI.ContainerFilter?) -> [ContainerEntry] {
        state.withLock { state in
            state.containers.values.map(\.entry).filter { filter.map($0.matches) ?? true }
        }.sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }

    private static func find<Entry>(
        _ id: String, in slots: [String: Slot<Entry>], what: String
    ) throws -> Slot<Entry> {
        if let slot = slots[id] { return slot }
        guard !id.isEmpty else { throw ShimError(.invalidArgument, "the request names no \(what)") }
        // Full ids are 64 digits: only a shorter one can be the beginning of another.
        guard id.utf8.count < 64 else { throw ShimError(.notFound, "there is no \(what) \(id)") }
        let matching = slots.filter { $0.key.hasPrefix(id) }
        guard let only = matching.first else { throw ShimError(.notFound, "there is no \(what) \(id)") }
        guard matching.count == 1 else {
            throw ShimError(.invalidArgument, "\(matching.count) ids of a \(what) begin with \(id): give more of it")
        }
        return only.value
    }

    // MARK: Wire form

    /// `tag 1, length-delimited` in front of the message.
    static func element(_ message: some RPCMessage) throws -> ByteBuffer {
        var body = ByteBuffer()
        try message.appendWireBytes(to: &body)
        var element = ByteBuffer()
        element.reserveCapacity(body.readableBytes + 6)
        element.writeInteger(0x0a as UInt8)
        var length = UInt32(body.readableBytes)
        while length >= 0x80 {
            element.writeInteger(UInt8(truncatingIfNeeded: length) | 0x80)
            length >>= 7
        }
        element.writeInteger(UInt8(length))
        element.writeBuffer(&body)
        return element
    }

    /// ListPodSandboxResponse in its wire form.
    func encodedSandboxes(matching filter: CRI.PodSandboxFilter?) -> ByteBuffer {
        state.withLock { state in
            if filter.isUnset {
                if let list = state.sandboxList { return list }
                let list = Self.joined(state.sandboxes.values.sorted(by: \.record.createdAt))
                state.sandboxList = list
                return list
            }
            return Self.joined(
                state.sandboxes.values.filter { $0.entry.matches(filter!) }.sorted(by: \.record.createdAt))
        }
    }

    /// ListContainersResponse in its wire form.
    func encodedContainers(matching filter: CRI.ContainerFilter?) -> ByteBuffer {
        state.withLock { state in
            if filter.isUnset {
                if let list = state.containerList { return list }
                let list = Self.joined(state.containers.values.sorted(by: \.createdAt))
                state.containerList = list
                return list
            }
            return Self.joined(state.containers.values.filter { $0.entry.matches(filter!) }.sorted(by: \.createdAt))
        }
    }

    private static func joined<Entry>(_ slots: [Slot<Entry>]) -> ByteBuffer {
        var list = ByteBuffer()
        list.reserveCapacity(slots.reduce(0) { $0 + $1.element.readableBytes })
        for slot in slots { list.writeImmutableBuffer(slot.element) }
        return list
    }
}

extension StateStore.State {
    func containers(inSandbox id: String) -> [ContainerEntry] {
        containers.values.map(\.entry).filter { $0.sandboxID == id }
            .sorted { ($0.createdAt, $0.id) < ($1.createdAt, $1.id) }
    }
}

extension Collection {
    fileprivate func sorted<Entry>(
        by time: KeyPath<Entry, Int64>
    ) -> [StateStore.Slot<Entry>] where Element == StateStore.Slot<Entry> {
        sorted { $0.entry[keyPath: time] < $1.entry[keyPath: time] }
    }
}

extension CRI.PodSandboxFilter? {
    fileprivate var isUnset: Bool {
        guard let self else { return true }
        return self.id.isEmpty && self.state == nil && self.labelSelector.isEmpty
    }
}

extension CRI.ContainerFilter? {
    fileprivate var isUnset: Bool {
        guard let self else { return true }
        return self.id.isEmpty && self.podSandboxId.isEmpty && self.state == nil && self.labelSelector.isEmpty
    }
}
