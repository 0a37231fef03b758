import Logging
import NIOCore
import NIOPosix
import Processes

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// One attempt to start a machine. What it made is gone again when it fails.
struct QEMULaunch {
    let config: MachineConfig
    let bundle: MachineBundle
    let options: QEMUOptions
    let host: QEMUHost
    let sshPort: Int
    let group: any EventLoopGroup
    let logger: Logger

    /// - Throws: `PortConflict`, `VZEngineError`, `CancellationError`.
    func run() async throws -> QEMUMachine {
        var parts = MachineParts()
        do {
            if !config.cgroupParent.isEmpty {
                parts.cgroup = try await MachineCgroup.make(
                    parent: config.cgroupParent, id: config.id, logger: logger)
            }
            do {
                return try await launch(&parts, isConfined: true)
            } catch let error as VZEngineError where error.message.contains("-sandbox") {
                // A QEMU without seccomp.
                logger.notice("QEMU cannot confine itself here", metadata: ["error": "\(error)"])
                await parts.stopProcesses()
                return try await launch(&parts, isConfined: false)
            }
        } catch {
            await parts.remove()
            try Task.checkCancellation()
            switch error {
            case is PortConflict, is VZEngineError: throw error
            default: throw VZEngineError(.startFailed, "QEMU cannot be started", cause: error)
            }
        }
    }

    private func launch(_ parts: inout MachineParts, isConfined: Bool) async throws -> QEMUMachine {
        for (index, share) in config.shares.enumerated() {
            guard let kind = host.shareServer else { break }
            let server = try await ShareServer.start(
                share, socket: bundle.shareSocket(index), kind: kind, group: group)
            parts.shareServers.append(server)
            await parts.cgroup?.add(server.child.id)
        }
        let (monitor, console, errors) = (try SocketPair(), try SocketPair(), try ErrorOutput())
        let tap =
            config.network.mode == .bridged
            ? try TapDevice.make(
                bridge: config.network.interface ?? "", name: TapDevice.name(ofMachine: config.id)) : nil
        var arguments = QEMUArguments(
            config: config, accelerator: host.accelerator, firmware: host.firmware, monitor: 3, console: 4,
            sshPort: sshPort)
        arguments.nesting = host.nesting
        arguments.shareSockets = parts.shareServers.map(\.socket)
        arguments.isConfined = isConfined
        let saved = try await savedState()
        arguments.tap = tap == nil ? nil : 5
        if saved != nil { arguments.incoming = tap == nil ? 5 : 6 }
        var request = ProcessRequest(host.emulator, arguments.all)
        request.diesWithParent = true
        request.descriptors = [-1, -1, errors.descriptor.number, monitor.other.number, console.other.number]
        if let tap { request.descriptors.append(tap.descriptor.number) }
        if let saved { request.descriptors.append(saved.number) }
        logger.debug("starting QEMU", metadata: ["arguments": "\(arguments.all.joined(separator: " "))"])

        let child = try await ChildProcess.start(request)
        parts.qemu = child
        for descriptor in [errors.descriptor, monitor.other, console.other] { descriptor.close() }
        tap?.descriptor.close()
        await parts.cgroup?.add(child.id)
        let client = QMPClient(logger: logger)
        parts.channels.append(try await errors.attach(group))
        let reader = ConsoleReader()
        parts.channels.append(try await console.channel(group, reader.handler))
        do {
            try await withTaskCancellationHandler {
                try await client.open(monitor, group: group, deadline: options.startDeadline)
                if saved != nil { try await restore(client) }
            } onCancel: {
                child.signal(SIGKILL)
            }
        } catch {
            child.signal(SIGKILL)
            let end = await child.waitForEnd()
            for channel in parts.channels { await channel.drained(within: .milliseconds(500)) }
            if let conflict = PortConflict(errors: errors.text) { throw conflict }
            throw failure(end, errors.text, parts, error)
        }
        logger.info(
            "the machine runs",
            metadata: ["pid": "\(child.id)", "accelerator": "\(host.accelerator)", "ssh": "\(sshPort)"])
        return QEMUMachine(
            config: config, parts: parts, child: child, monitor: client, console: reader, errors: errors,
            address: tap.map { .learned($0, addressWatch($0)) }
                ?? .known(GuestAddress(host: "127.0.0.1", port: sshPort)),
            options: options, logger: logger)
    }

    private func addressWatch(_ tap: TapDevice) -> AddressWatch {
        let card = HardwareAddress(config.network.macAddress)
        return AddressWatch(
            of: card!,  // checked before the start
            sources: SystemAddressDiscovery.ofMachine(device: tap.name, bridge: config.network.interface),
            logger: logger)
    }

    /// The file of a machine that this one goes on from.
    private func savedState() async throws -> Descriptor? {
        guard let path = config.restoreFrom else { return nil }
        return try await NIOThreadPool.singleton.runIfActive {
            let file = Descriptor(open(path, O_RDONLY | O_CLOEXEC))
            guard file.number >= 0 else { throw VZEngineError.system("open the saved machine \(path)", .startFailed) }
            return file
        }
    }

    /// Until it stands where the saved one stood, and lets it go on.
    private func restore(_ monitor: QMPClient) async throws {
        let end = ContinuousClock.now + options.restoreDeadline
        var pause = Duration.milliseconds(10)
        while try await monitor.status() == "inmigrate" {
            guard ContinuousClock.now < end else {
                throw VZEngineError(.deadline, "the saved machine was not read within \(options.restoreDeadline)")
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .milliseconds(200))
        }
        try await monitor.execute("cont")
    }

    private func failure(
        _ end: ProcessEnd, _ words: String, _ parts: MachineParts, _ error: any Error
    ) -> VZEngineError {
        // A server whose QEMU went away ends well; one that failed is why QEMU did.
        if let server = parts.shareServers.first(where: { $0.child.end?.isSuccess == false }) {
            return VZEngineError(.startFailed, server.failure)
        }
        if words.isEmpty { return VZEngineError(.startFailed, "QEMU did not start (\(end))", cause: error) }
        let lacksMemory = words.contains("Cannot allocate memory") || words.contains("cannot set up guest memory")
        return VZEngineError(lacksMemory ? .exhausted : .startFailed, "QEMU did not start: \(words)")
    }
}

/// What belongs to a machine on this host.
struct MachineParts: Sendable {
    var qemu: ChildProcess?
    var shareServers: [ShareServer] = []
    var channels: [any Channel] = []
    var cgroup: MachineCgroup?

    var processes: [ProcessIdentity] {
        ([qemu].compactMap { $0 } + shareServers.map(\.child)).compactMap(\.identity)
    }

    /// Ends what still runs.
    mutating func stopProcesses(shareServersWithin limit: Duration = .zero) async {
        if let qemu {
            qemu.signal(SIGKILL)
            _ = await qemu.waitForEnd()
        }
        for channel in channels { channel.close(promise: nil) }
        for server in shareServers { await server.stop(after: limit) }
        (qemu, shareServers, channels) = (nil, [], [])
    }

    mutating func remove() async {
        await stopProcesses()
        await cgroup?.remove()
        cgroup = nil
    }
}

/// A guest's serial console as it arrives.
final class ConsoleReader: Sendable {
    /// The newest of it when nobody reads.
    let output: AsyncStream<ByteBuffer>
    let handler: ByteSink

    private let continuation: AsyncStream<ByteBuffer>.Continuation
    private let panic: PanicWatch

    init() {
        let (output, continuation) = AsyncStream<ByteBuffer>.makeStream(bufferingPolicy: .bufferingNewest(1024))
        let panic = PanicWatch()
        (self.output, self.continuation, self.panic) = (output, continuation, panic)
        handler = ByteSink { bytes in
            panic.scan(bytes)
            continuation.yield(bytes)
        } ended: {
            continuation.finish()
            panic.end()
        }
    }

    /// The kernel's last words, once; nil when the console ended without.
    func panicked() async -> String? { await panic.message() }
}
