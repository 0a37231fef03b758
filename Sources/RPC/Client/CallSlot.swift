import NIOCore

/// The place of a call while it runs, for those who may want to cancel it: also before it was started. Confined to the
/// event loop.
final class CallSlot {
    private(set) var call: ClientCall?
    private var isCancelled = false

    static func make(_ eventLoop: any EventLoop) -> NIOLoopBoundBox<CallSlot> {
        .makeBoxSendingValue(CallSlot(), eventLoop: eventLoop)
    }

    /// - Returns: false when the call was cancelled already; it is finished then.
    func hold(_ call: ClientCall) -> Bool {
        self.call = call
        if isCancelled { cancel() }
        return !isCancelled
    }

    func cancel() {
        isCancelled = true
        guard let call else { return }
        self.call = nil
        call.finish(.failure(RPCError(.cancelled, "\(call.path) was cancelled by its caller")))
        call.connection?.cancel(call)
    }
}
