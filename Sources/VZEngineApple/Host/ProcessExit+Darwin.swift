#if canImport(Darwin)
import Dispatch

extension ProcessExit {
    static let tellsOnlyTheEnd = true

    static func source(of id: Int32) -> any DispatchSourceProtocol {
        DispatchSource.makeProcessSource(identifier: id, eventMask: .exit, queue: .global())
    }
}
#endif
