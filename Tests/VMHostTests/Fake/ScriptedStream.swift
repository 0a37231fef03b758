import NIOCore
import Synchronization

@testable import VMHost

/// A connection of the guest's that says what the test gave it, and keeps what it is told.
final class ScriptedStream: GuestStream {
    private let state: Mutex<(says: [String], written: String)>

    init(_ says: [String]) { state = Mutex((says, "")) }

    var written: String { state.withLock { $0.written } }

    func next() async throws -> ByteBuffer? {
        state.withLock { $0.says.isEmpty ? nil : ByteBuffer(string: $0.says.removeFirst()) }
    }

    func write(_ bytes: ByteBuffer) async throws { state.withLock { $0.written += String(buffer: bytes) } }
    func closeOutput() async throws {}
    func close() async {}
}
