import Foundation
import Virtualization

/// What the framework tells of a machine while it lives. It is held weakly by the framework, and called on the machine's
/// queue.
final class MachineWatch: NSObject, VZVirtualMachineDelegate {
    enum Event: Sendable {
        case guestStopped
        case failed(String)
        case networkLost(String)
    }

    private let tell: (Event) -> Void

    init(_ tell: @escaping (Event) -> Void) { self.tell = tell }

    func guestDidStop(_ virtualMachine: VZVirtualMachine) { tell(.guestStopped) }

    func virtualMachine(_ virtualMachine: VZVirtualMachine, didStopWithError error: any Error) {
        tell(.failed(AppleErrors.words(of: error)))
    }

    func virtualMachine(
        _ virtualMachine: VZVirtualMachine, networkDevice: VZNetworkDevice,
        attachmentWasDisconnectedWithError error: any Error
    ) {
        tell(.networkLost(AppleErrors.words(of: error)))
    }
}
