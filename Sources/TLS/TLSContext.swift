import Synchronization

/// Certificates and rules for many connections; can read its files again while it is in use.
public final class TLSContext: Sendable {
    private let current: Mutex<ContextHandle>

    private init(_ handle: ContextHandle) {
        current = Mutex(handle)
    }

    /// Reads the files of `configuration` (blocking) for a server.
    ///
    /// - Throws: `TLSError` that names the file and what is wrong with it.
    public static func server(_ configuration: TLSServerConfiguration) throws(TLSError) -> TLSContext {
        TLSContext(try ContextHandle(.server(configuration)))
    }

    /// Reads the files of `configuration` (blocking) for a client.
    ///
    /// - Throws: `TLSError` that names the file and what is wrong with it.
    public static func client(_ configuration: TLSClientConfiguration) throws(TLSError) -> TLSContext {
        TLSContext(try ContextHandle(.client(configuration)))
    }

    /// Reads the files again (blocking). New connections use what they hold now, existing ones go on as they are.
    ///
    /// - Throws: `TLSError`; then everything stays as it was.
    public func reload() throws(TLSError) {
        let fresh = try ContextHandle(handle.role)
        current.withLock { $0 = fresh }
    }

    /// Reads other files (blocking) for a server that was made with ``server(_:)``. New connections use them.
    ///
    /// - Throws: `TLSError`; then everything stays as it was.
    public func change(to configuration: TLSServerConfiguration) throws(TLSError) {
        let fresh = try ContextHandle(.server(configuration))
        current.withLock { $0 = fresh }
    }

    var handle: ContextHandle { current.withLock { $0 } }
}
