#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Threads for connections: libssh2's session and socket belong to one of them from beginning to end.
enum SSHThread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// A thread that nobody joins.
    static func start(_ body: @escaping @Sendable () -> Void) {
        let attributes = UnsafeMutablePointer<pthread_attr_t>.allocate(capacity: 1)
        defer { attributes.deallocate() }
        pthread_attr_init(attributes)
        pthread_attr_setdetachstate(attributes, Int32(PTHREAD_CREATE_DETACHED))
        // OpenSSL's key exchange and getaddrinfo want some stack.
        pthread_attr_setstacksize(attributes, 1 << 20)
        defer { pthread_attr_destroy(attributes) }
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        #if canImport(Glibc)
        var thread: pthread_t = 0
        let code = pthread_create(
            &thread, attributes,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, argument)
        #else
        var thread: pthread_t?
        let code = pthread_create(
            &thread, attributes,
            { argument in
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument)
        #endif
        precondition(code == 0, "no thread for an SSH connection could be made: \(String(cString: strerror(code)))")
    }
}
