import Logging
import Proto
import RPC

/// What an adapter asks of the host that the CRI does not offer. Methods that are not bound answer UNIMPLEMENTED by the
/// router.
struct HostService: Sendable {
    let choice: RuntimeChoice
    let logger: Logger

    func register(in router: inout Router) {
        registerClassify(in: &router)
    }
}
