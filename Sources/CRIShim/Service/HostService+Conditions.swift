import Proto
import VZEngine

extension HostService {
    /// What is right and wrong with this host, as its node shows it.
    var conditions: [HostAPI.HostCondition] {
        var all = [Self.condition("VMReady", machines.health)]
        if let disk = machines.options.disk { all.append(Self.condition(CRIService.diskCondition, disk.health)) }
        all.append(Self.condition("VMSlotsReady", Self.health(slots.snapshot)))
        // A host whose pods need no engine may never have had one.
        if docker.info.engine != nil { all.append(Self.condition("ContainerEngineReady", docker.health)) }
        return all
    }

    /// Whether the host grants all the places it should have.
    static func health(_ ledger: SlotLedger) -> RuntimeHealth {
        let lost = ledger.leaks.filter { $0.value > 0 }.sorted { $0.key.rawValue < $1.key.rawValue }
        guard !lost.isEmpty else { return .ready }
        let words = lost.map { guest, count in
            "the host refuses \(count) of \(ledger.total(guest)) \(guest.rawValue) machines though nobody of this runtime "
                + "has their places: end other apps' machines; where there are none, restart the host"
        }
        return RuntimeHealth(isReady: false, reason: "SlotsLeaked", message: words.joined(separator: "; "))
    }

    private static func condition(_ type: String, _ health: RuntimeHealth) -> HostAPI.HostCondition {
        .init {
            $0.type = type
            $0.status = health.isReady
            $0.reason = health.reason.isEmpty ? (health.isReady ? "AsExpected" : "NotReady") : health.reason
            $0.message = health.message
        }
    }
}
