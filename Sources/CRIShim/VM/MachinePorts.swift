import FoundationEssentials
import Proto
import VZEngine

/// Which ports of a pod are a machine's own, and which its neighbours'.
enum MachinePorts {
    /// The kubelet's annotation with the ports of one container, as the pod's spec has them.
    static let annotation = "io.kubernetes.container.ports"
    /// One that a kubelet writes on every container: who has it and not ``annotation`` declares no port.
    static let kubeletAnnotation = "io.kubernetes.container.hash"

    private struct Declared: Decodable {
        var containerPort: Int
        var `protocol`: String?
    }

    struct Split: Sendable, Equatable {
        var own: [MachineConfig.Network.Port] = []
        /// TCP only: what the guest reaches at its own localhost.
        var peers: [Int] = []
    }

    /// A client that is no kubelet does not say which container has a port: then all of the pod's are the machine's, but for
    /// those that another has.
    /// - Parameter taken: by the pod's other machines.
    /// - Throws: `invalidArgument` for an annotation that is no list of ports.
    static func split(
        annotations: [String: String], sandbox: SandboxRecord, taken: Set<MachineConfig.Network.Port> = [],
        what: String
    ) throws -> Split {
        let pod = sandbox.ports.compactMap { mapping -> MachineConfig.Network.Port? in
            guard mapping.containerPort > 0 else { return nil }
            switch mapping.protocol {
            case 0: return .init(.tcp, Int(mapping.containerPort))
            case 1: return .init(.udp, Int(mapping.containerPort))
            default: return nil
            }
        }
        guard let text = annotations[annotation] else {
            let own = annotations[kubeletAnnotation] == nil ? pod.filter { !taken.contains($0) } : []
            return Split(own: unique(own), peers: peers(in: pod, of: own))
        }
        let declared: [Declared]
        do {
            declared = try JSONDecoder().decode([Declared].self, from: Data(text.utf8))
        } catch {
            throw ShimError(
                .invalidArgument, "\(what): the annotation \(annotation) is no list of ports: \(text)", cause: error)
        }
        var own: [MachineConfig.Network.Port] = []
        for port in declared {
            guard (1...65535).contains(port.containerPort) else {
                throw ShimError(.invalidArgument, "\(what) declares the port \(port.containerPort), which is none")
            }
            switch port.protocol ?? "TCP" {
            case "TCP": own.append(.init(.tcp, port.containerPort))
            case "UDP": own.append(.init(.udp, port.containerPort))
            case let other:
                throw ShimError(
                    .unsupported, "\(what) declares a port of the protocol \(other), which a machine cannot serve")
            }
        }
        return Split(own: unique(own), peers: peers(in: pod, of: own))
    }

    private static func peers(
        in pod: [MachineConfig.Network.Port], of own: [MachineConfig.Network.Port]
    ) -> [Int] {
        unique(pod.filter { $0.transport == .tcp && !own.contains($0) }.map(\.number))
    }

    private static func unique<Element: Hashable>(_ elements: [Element]) -> [Element] {
        var seen: Set<Element> = []
        return elements.filter { seen.insert($0).inserted }
    }
}
