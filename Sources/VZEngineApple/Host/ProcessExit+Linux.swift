#if os(Linux)
import Dispatch

/// For the tests' double only, and so a look now and then will do.
extension ProcessExit {
    static let tellsOnlyTheEnd = false

    static func source(of id: Int32) -> any DispatchSourceProtocol {
        let timer = DispatchSource.makeTimerSource(queue: .global())
        timer.schedule(deadline: .now(), repeating: .milliseconds(10))
        return timer
    }
}
#endif
