import CSpawn
import Dispatch
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One thread that lives as long as the process, for what the system ties to the thread that did it.
final class SpawnThread: Sendable {
    static let shared = SpawnThread()
    private let jobs = Mutex<[@Sendable () -> Void]>([])
    private let wake = DispatchSemaphore(value: 0)

    private init() {
        Thread.detach(name: "spawn") { [self] in
            while true {
                wake.wait()
                let job = jobs.withLock { $0.isEmpty ? nil : $0.removeFirst() }
                job?()
            }
        }
    }

    func run(_ job: @escaping @Sendable () -> Void) {
        jobs.withLock { $0.append(job) }
        wake.signal()
    }
}

/// A small thread for each child that is waited for: a handful at a time, each asleep in the kernel.
enum ReaperThreads {
    /// Calls `ended` when the child has ended; what it is given reaps the child and says how it ended.
    static func reap(_ id: Int32, _ ended: @escaping @Sendable (() -> ProcessEnd) -> Void) {
        Thread.detach(name: "reap-\(id)") {
            var info = siginfo_t()
            // Leaves the remains, so that its number stays its own until it is noted.
            while waitid(P_PID, id_t(id), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
            ended {
                var status: Int32 = 0
                while waitpid(id, &status, 0) < 0, errno == EINTR {}
                let signal = status & 0x7f
                return signal == 0 ? .exited(code: (status >> 8) & 0xff) : .signalled(signal)
            }
        }
    }
}

enum Thread {
    private final class Body: Sendable {
        let run: @Sendable () -> Void
        init(_ run: @escaping @Sendable () -> Void) { self.run = run }
    }

    /// A thread with a small stack that nobody joins.
    static func detach(name: String, _ body: @escaping @Sendable () -> Void) {
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED))
        pthread_attr_setstacksize(&attributes, 256 << 10)
        defer { pthread_attr_destroy(&attributes) }
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        #if canImport(Glibc)
        var thread = pthread_t()
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Body>.fromOpaque(argument!).takeRetainedValue().run()
                return nil
            }, argument)
        #else
        var thread: pthread_t?
        let code = pthread_create(
            &thread, &attributes,
            { argument in
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            }, argument)
        #endif
        precondition(code == 0, "no thread \(name) could be made: \(String(cString: strerror(code)))")
    }
}
