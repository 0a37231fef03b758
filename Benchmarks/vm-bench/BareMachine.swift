import Measuring
import Processes

#if canImport(Glibc)
import Glibc
#elseif canImport(Darwin)
import Darwin
#endif

/// The peer: QEMU and virtiofsd started by hand, and `ssh` tried until it works.
struct BareMachine {
    /// What examples/linux-guest made.
    let guest: String
    let directory: String

    func start() async throws -> Sample {
        let disk = directory + "/disk.qcow2"
        let shares = directory + "/fs.sock"
        for file in [disk, shares] { unlink(file) }
        // Prepared beforehand, as CreateContainer does for ours.
        try await Command.checked(
            "qemu-img", ["create", "-q", "-f", "qcow2", "-b", guest + "/disk.raw", "-F", "raw", disk])
        let commandLine = try await Command.checked(
            "sed", ["-nE", #"s/.*"commandLine": "(.*)",?/\1/p"#, guest + "/guest.json"]
        ).text.split(separator: "\n").joined()
        let before = ProcessorTime.ofChildren
        let clock = ContinuousClock.now
        let files = try await start(
            "/usr/lib/qemu/virtiofsd",
            ["--socket-path=" + shares, "-o", "source=\(directory)/shared", "-o", "sandbox=chroot"])
        while access(shares, F_OK) != 0 { usleep(1000) }
        let machine = try await start(
            "qemu-system-x86_64",
            [
                "-nodefaults", "-no-user-config", "-display", "none", "-machine", "pc,hpet=off,memory-backend=memory",
                "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "1", "-m", "256M", "-object",
                "memory-backend-memfd,id=memory,size=256M,share=on", "-kernel", guest + "/vmlinux", "-initrd",
                guest + "/initrd.cpio", "-append", commandLine, "-drive", "file=\(disk),if=virtio,format=qcow2",
                "-chardev", "socket,id=fs,path=\(shares)", "-device", "vhost-user-fs-pci,chardev=fs,tag=shared",
                "-netdev",
                "user,id=net,hostfwd=tcp:127.0.0.1:22822-:22", "-device", "virtio-net-pci,netdev=net,romfile=",
                "-serial",
                "null",
            ])
        defer {
            machine.signal(SIGKILL)
            files.signal(SIGKILL)
        }
        while true {
            guard machine.end == nil, files.end == nil else { throw BenchError(description: "the bare machine ended") }
            let answer = try await Command.run(
                "ssh",
                [
                    "-i", guest + "/id_ed25519", "-p", "22822", "-o", "StrictHostKeyChecking=no", "-o",
                    "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes", "-o", "ConnectTimeout=1", "-o",
                    "LogLevel=ERROR",
                    "root@127.0.0.1", "mkdir -p /shared && mount -t virtiofs shared /shared && test -d /shared",
                ])
            if answer.end.isSuccess { break }
            usleep(100_000)
        }
        let wall = ContinuousClock.now - clock
        // QEMU and the file server with its child, and every ssh there was.
        let processor = try ProcessorTime.of { $0.contains(directory) } + ProcessorTime.ofChildren - before
        machine.signal(SIGKILL)
        files.signal(SIGKILL)
        _ = await machine.waitForEnd()
        _ = await files.waitForEnd()
        return Sample(wall: wall / .seconds(1), processor: processor)
    }

    private func start(_ program: String, _ arguments: [String]) async throws -> ChildProcess {
        var request = ProcessRequest(program, arguments)
        request.diesWithParent = true
        return try await ChildProcess.start(request)
    }
}
