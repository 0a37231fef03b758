#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A message over a unix socket that carries an open file: the receiver gets a descriptor of its own for it.
enum DescriptorMessage {
    /// Does not wait: a few bytes, for a socket whose buffer is as good as empty.
    /// - Throws: `VZEngineError` with `failed`; then nothing was sent.
    static func send(_ bytes: [UInt8], with file: Descriptor, over socket: Descriptor) throws {
        // As the CMSG_… macros have it.
        let align = MemoryLayout<cmsghdr>.alignment
        func aligned(_ length: Int) -> Int { (length + align - 1) / align * align }
        let head = aligned(MemoryLayout<cmsghdr>.size)
        let space = head + aligned(MemoryLayout<Int32>.size)
        var control = [UInt64](repeating: 0, count: (space + 7) / 8)
        var bytes = bytes
        let sent = control.withUnsafeMutableBytes { control in
            control.withMemoryRebound(to: cmsghdr.self) { headers in
                headers[0].cmsg_len = numericCast(head + MemoryLayout<Int32>.size)
                headers[0].cmsg_level = SOL_SOCKET
                headers[0].cmsg_type = rights
            }
            control.storeBytes(of: file.number, toByteOffset: head, as: Int32.self)
            return bytes.withUnsafeMutableBytes { bytes in
                var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
                return withUnsafeMutablePointer(to: &part) { part in
                    var message = msghdr()
                    message.msg_iov = part
                    message.msg_iovlen = 1
                    message.msg_control = control.baseAddress
                    message.msg_controllen = numericCast(space)
                    return sendmsg(socket.number, &message, dontWait)
                }
            }
        }
        guard sent >= 0 else { throw VZEngineError.system("hand a file to QEMU") }
        // A part of a line would spoil all that follows; of so few bytes the system never takes just some.
        guard sent == bytes.count else { throw VZEngineError(.failed, "QEMU took only a part of a command") }
    }
}

#if canImport(Glibc)
private let rights = Int32(SCM_RIGHTS)
private let dontWait = Int32(MSG_DONTWAIT | MSG_NOSIGNAL)
#else
private let rights = SCM_RIGHTS
private let dontWait = MSG_DONTWAIT
#endif
