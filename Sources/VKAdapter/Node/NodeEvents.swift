import KubeAPI

extension NodeDescription {
    /// What is new of the node, in the kubelet's words.
    /// - Parameter before: what the API server had; `nil` for a node that was made just now.
    func occurrences(before: NodeStatus?, after: NodeStatus) -> [Occurrence] {
        let node = ObjectReference(node: name)
        var list: [Occurrence] = []
        if let old = before?.nodeInfo.bootID, !old.isEmpty, !info.bootID.isEmpty, old != info.bootID {
            list.append(
                Occurrence(
                    object: node, type: .warning, reason: "Rebooted",
                    message: "Node \(name) has been rebooted, boot id: \(info.bootID)"))
        }
        for condition in after.conditions {
            guard let word = Self.word(condition),
                before?.conditions.first(where: { $0.type == condition.type })?.status != condition.status
            else { continue }
            list.append(
                Occurrence(object: node, type: .normal, reason: word, message: "Node \(name) status is now: \(word)"))
        }
        for told in host.conditions {
            let old = before?.conditions.first { $0.type.rawValue == told.type }?.status
            // That all is well is news only where it was not.
            guard told.isTrue ? old == "False" : old != "False" else { continue }
            list.append(
                Occurrence(
                    object: node, type: told.isTrue ? .normal : .warning,
                    reason: told.reason.isEmpty ? told.type : told.reason, message: told.message))
        }
        return list
    }

    private static func word(_ condition: NodeCondition) -> String? {
        let isTrue = condition.status == "True"
        return switch condition.type {
        case .ready: isTrue ? "NodeReady" : "NodeNotReady"
        case .memoryPressure: isTrue ? "NodeHasInsufficientMemory" : "NodeHasSufficientMemory"
        case .diskPressure: isTrue ? "NodeHasDiskPressure" : "NodeHasNoDiskPressure"
        case .processPressure: isTrue ? "NodeHasInsufficientPID" : "NodeHasSufficientPID"
        default: nil
        }
    }
}
