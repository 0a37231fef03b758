import Dispatch
public import Foundation

open class VZSocketDeviceConfiguration: NSObject {}

open class VZVirtioSocketDeviceConfiguration: VZSocketDeviceConfiguration { public override init() {} }

open class VZSocketDevice: NSObject {}

open class VZVirtioSocketConnection: NSObject {
    public let sourcePort: UInt32
    public let destinationPort: UInt32
    public private(set) var fileDescriptor: Int32

    init(sourcePort: UInt32, destinationPort: UInt32, fileDescriptor: Int32) {
        self.sourcePort = sourcePort
        self.destinationPort = destinationPort
        self.fileDescriptor = fileDescriptor
    }

    deinit { close() }

    open func close() {
        guard fileDescriptor >= 0 else { return }
        try? FileHandle(fileDescriptor: fileDescriptor).close()
        fileDescriptor = -1
    }
}

public protocol VZVirtioSocketListenerDelegate: NSObjectProtocol {
    func listener(
        _ listener: VZVirtioSocketListener, shouldAcceptNewConnection connection: VZVirtioSocketConnection,
        from socketDevice: VZVirtioSocketDevice
    ) -> Bool
}

open class VZVirtioSocketListener: NSObject {
    public override init() {}
    open weak var delegate: (any VZVirtioSocketListenerDelegate)?
}

/// No program of a simulated guest listens.
open class VZVirtioSocketDevice: VZSocketDevice {
    private let queue: DispatchQueue
    private var listeners: [UInt32: VZVirtioSocketListener] = [:]

    init(_ queue: DispatchQueue) { self.queue = queue }

    open func setSocketListener(_ listener: VZVirtioSocketListener, forPort port: UInt32) {
        dispatchPrecondition(condition: .onQueue(queue))
        listeners[port] = listener
    }

    open func removeSocketListener(forPort port: UInt32) {
        dispatchPrecondition(condition: .onQueue(queue))
        listeners[port] = nil
    }

    open func connect(
        toPort port: UInt32, completionHandler: @escaping (Result<VZVirtioSocketConnection, any Error>) -> Void
    ) {
        dispatchPrecondition(condition: .onQueue(queue))
        let handler = Unchecked(completionHandler)
        queue.async { handler.value(.failure(VZError(.internalError, "The guest refused the connection."))) }
    }
}

/// Passes what is not Sendable to the queue it belongs to: whoever makes one is on that queue, and so is whoever opens it.
struct Unchecked<Value>: @unchecked Sendable {
    let value: Value
    init(_ value: Value) { self.value = value }
}
