#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The bytes between libssh2 and the socket. libssh2's calls never wait for the peer to read: what they send is taken here,
/// whole, and sent when there is room. (A send that libssh2 has to break off blocks all its other sends until the very same
/// call is made again, which some of its own calls cannot do.) Callers look at ``isFull`` before they send more.
///
/// Belongs to the connection's thread.
final class Wire {
    private(set) var descriptor: Int32
    private var outgoing: [UInt8] = []
    private var head = 0
    /// Bytes that arrived so far.
    private(set) var received = 0
    /// Bytes that left so far.
    private(set) var sent = 0
    /// The peer will send no more. libssh2 is not told: what arrived before is still to be read from it.
    private(set) var hasEnded = false
    private var cannotSend = false
    /// For keyboard-interactive authentication.
    var password: [UInt8]?

    /// Data is held back from here on; what the protocol itself sends is taken all the same.
    static let fullAt = 128 << 10
    /// A peer that does not read is not listened to either from here on.
    static let deafAt = 512 << 10

    init(descriptor: Int32) { self.descriptor = descriptor }

    deinit { closeSocket() }

    var waiting: Int { outgoing.count - head }
    var isFull: Bool { waiting >= Self.fullAt }
    var isDeaf: Bool { waiting >= Self.deafAt }

    func closeSocket() {
        if descriptor >= 0 { close(descriptor) }
        descriptor = -1
        hasEnded = true
        cannotSend = true
    }

    // MARK: called by libssh2

    /// - Returns: as `recv`, but the error number negated.
    func receive(_ buffer: UnsafeMutableRawPointer, _ count: Int) -> Int {
        // Closed by us: calls that wait for the peer are to fail now.
        if descriptor < 0 { return 0 }
        if hasEnded || isDeaf { return -Int(EAGAIN) }
        while true {
            let result = recv(descriptor, buffer, count, 0)
            if result > 0 {
                received += result
                return result
            }
            if result < 0, errno == EINTR { continue }
            if result < 0, errno == EAGAIN || errno == EWOULDBLOCK { return -Int(EAGAIN) }
            hasEnded = true
            return -Int(EAGAIN)
        }
    }

    func accept(_ buffer: UnsafeRawPointer, _ count: Int) -> Int {
        if !cannotSend { outgoing.append(contentsOf: UnsafeRawBufferPointer(start: buffer, count: count)) }
        return count
    }

    // MARK: called by the loop

    /// Sends what the socket takes.
    func flush() {
        while head < outgoing.count, !cannotSend {
            let result = outgoing.withUnsafeBytes {
                send(descriptor, $0.baseAddress! + head, $0.count - head, SystemSocket.sendFlags)
            }
            if result < 0, errno == EINTR { continue }
            if result < 0, errno == EAGAIN || errno == EWOULDBLOCK { break }
            guard result > 0 else {
                // What the peer sent before it went is still there to be read.
                cannotSend = true
                break
            }
            head += result
            sent += result
        }
        if head == outgoing.count || cannotSend {
            outgoing.removeAll(keepingCapacity: true)
            head = 0
        } else if head > Self.fullAt {
            outgoing.removeFirst(head)
            head = 0
        }
    }
}
