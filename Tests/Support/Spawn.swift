import Foundation

/// The system's calls behind ``ChildProcess``.
enum Spawn {
    struct Failure: Error, CustomStringConvertible {
        let description: String
    }

    #if canImport(Darwin)
    private typealias Actions = posix_spawn_file_actions_t?
    private typealias Attributes = posix_spawnattr_t?
    #else
    private typealias Actions = posix_spawn_file_actions_t
    private typealias Attributes = posix_spawnattr_t
    #endif

    /// No child is made between the making of a pipe and its mark.
    private static let lock = NSLock()

    /// A pipe no other child inherits.
    static func pipe() throws -> (read: Int32, write: Int32) {
        lock.lock()
        defer { lock.unlock() }
        var ends: [Int32] = [-1, -1]
        guard Foundation.pipe(&ends) == 0 else {
            throw Failure(description: "pipe: \(String(cString: strerror(errno)))")
        }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        return (ends[0], ends[1])
    }

    /// - Parameter streams: what the program has as 0, 1, 2, …
    static func run(
        _ program: String, _ arguments: [String], _ environment: [String], directory: String?, streams: [Int32]
    ) throws -> Int32 {
        if let directory {
            let script = "cd \"$0\" && exec \"$@\""
            return try run(
                "/bin/sh", ["sh", "-c", script, directory, program] + arguments.dropFirst(), environment,
                directory: nil,
                streams: streams)
        }
        #if canImport(Darwin)
        var (actions, attributes): (Actions, Attributes) = (nil, nil)
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_CLOEXEC_DEFAULT
        #else
        var (actions, attributes) = (Actions(), Attributes())
        let flags = POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF
        #endif
        posix_spawn_file_actions_init(&actions)
        posix_spawnattr_init(&attributes)
        defer {
            posix_spawn_file_actions_destroy(&actions)
            posix_spawnattr_destroy(&attributes)
        }
        for (number, stream) in streams.enumerated() {
            posix_spawn_file_actions_adddup2(&actions, stream, Int32(number))
        }
        var (none, all) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        sigfillset(&all)
        posix_spawnattr_setsigmask(&attributes, &none)
        posix_spawnattr_setsigdefault(&attributes, &all)
        posix_spawnattr_setpgroup(&attributes, 0)
        posix_spawnattr_setflags(&attributes, Int16(flags))

        var (argv, envp) = (arguments.map { strdup($0) }, environment.map { strdup($0) })
        defer { for text in argv + envp { free(text) } }
        argv.append(nil)
        envp.append(nil)
        var pid: pid_t = 0
        let code = lock.withLock { posix_spawn(&pid, program, &actions, &attributes, argv, envp) }
        guard code == 0 else { throw Failure(description: "cannot run \(program): \(String(cString: strerror(code)))") }
        return pid
    }

    /// Waits for the end of a child, says that it is over while its number is still its own, then takes the outcome.
    static func wait(_ pid: Int32, ended: () -> Void) -> Int32 {
        var info = siginfo_t()
        while waitid(P_PID, id_t(pid), &info, WEXITED | WNOWAIT) != 0, errno == EINTR {}
        ended()
        var status: Int32 = 0
        while waitpid(pid, &status, 0) < 0 {
            if errno != EINTR { return -1 }
        }
        let signal = status & 0x7f
        return signal == 0 ? (status >> 8) & 0xff : 128 + signal
    }
}
