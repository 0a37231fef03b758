import HostFiles
import Logging
import NIOCore
import NIOPosix
import Synchronization
import VZEngine

/// What the supervisor does in the guest.
extension Supervisor {
    /// One attempt to reach the guest, from dialling to the first line.
    private static let attemptTime = Duration.seconds(30)
    private static let setupTime = Duration.seconds(60)

    /// Keeps in touch with the guest as long as the machine lives.
    func reachGuest(_ machine: any Machine) async {
        let guest: any Guest
        do {
            let address = try await machine.guestAddress()
            guest = try surroundings.guest(address)
            parts.withLock { $0.guest = guest }
            board.update { $0.address = address }
            note(.addressed)
        } catch {
            giveUp("the guest has no address: \(error)")
            return
        }
        var touch = GuestTouch(limit: .seconds(config.readinessTimeout))
        var lastBoot: String?
        while !Task.isCancelled {
            do {
                let watch = try await withDeadline(
                    Self.attemptTime, or: VZEngineError(.guestUnreachable, "the guest does not answer")
                ) { try await BootWatch.begin(in: guest) }
                touch.succeeded()
                if watch.bootID != lastBoot {
                    logger.info("the guest is reachable", metadata: ["boot": "\(watch.bootID)"])
                }
                board.update { status in
                    status.isReachable = true
                    status.wasReachable = true
                }
                let isOwed = takeOwedSetup()
                if watch.bootID != lastBoot || isOwed { note(.guestBooted) }
                lastBoot = watch.bootID
                let why = await watch.untilLost()
                board.update { $0.isReachable = false }
                logger.info("the guest is not reachable any more", metadata: ["reason": "\(why)"])
            } catch {
                if Task.isCancelled { return }
                switch touch.failed(error, at: ContinuousClock.now) {
                case .again(let pause): do { try await Task.sleep(for: pause) } catch { return }
                case .giveUp(let reason):
                    giveUp(reason)
                    return
                }
            }
        }
    }

    /// Whoever takes it sees to it.
    private func takeOwedSetup() -> Bool {
        parts.withLock { parts in
            defer { parts.owesSetup = false }
            return parts.owesSetup
        }
    }

    private func giveUp(_ reason: String) {
        logger.error("the guest is given up", metadata: ["reason": "\(reason)"])
        board.giveUp(reason)
        note(.guestGivenUp(reason))
    }

    /// Sets the guest up and runs the main command to its end.
    func prepareGuest() async {
        guard let guest else { return }
        do {
            try await setUp(guest)
            await servePeers(in: guest)
            board.prepared()
        } catch {
            logger.error("the guest could not be set up", metadata: ["error": "\(error)"])
            // A guest that went away meanwhile says itself why, if it is given the time.
            let isLost = (error as? VZEngineError)?.code == .guestUnreachable
            note(isLost ? .commandLost("\(error)") : .prepareFailed("\(error)"))
            guard isLost else { return }
            parts.withLock { $0.owesSetup = true }
            // It may be back by now, and whoever saw it come has looked already.
            if board.status.isReachable, takeOwedSetup() { note(.guestBooted) }
            return
        }
        guard !config.main.command.isEmpty else {
            note(.prepared)
            return
        }
        do {
            let end = try await main.run(in: guest, clock: clock) { note(.prepared) }
            logger.info("the command has ended", metadata: ["code": "\(end.code)"])
            main.output.publish(.exited(code: end.code))
            note(.commandEnded(code: end.code), at: end.at)
        } catch {
            if Task.isCancelled { return }
            logger.error("the command was lost", metadata: ["error": "\(error)"])
            let isRefused = (error as? VZEngineError).map { $0.code != .guestUnreachable } ?? false
            note(isRefused && !main.hasRun ? .prepareFailed("\(error)") : .commandLost("\(error)"))
        }
    }

    private func setUp(_ guest: any Guest) async throws {
        guard config.guestOS == .linux else { return }
        let result = try await guest.complete(
            GuestSetup.command(config, now: Moment.Clock.wall()), deadline: Self.setupTime)
        for line in result.errors.split(separator: "\n") {
            logger.warning("set-up of the guest", metadata: ["said": "\(line)"])
        }
        guard result.code == 0 else {
            let words = result.errors.split(separator: "\n").last.map(String.init) ?? "exit code \(result.code)"
            throw VZEngineError(.startFailed, "the guest could not be set up: \(words)")
        }
    }

    /// The pod's other ports, on the guest's own localhost.
    private func servePeers(in guest: any Guest) async {
        for port in config.network.peerPorts {
            // Made once: the channel makes it again by itself.
            guard parts.withLock({ $0.peerPorts.insert(port).inserted }) else { continue }
            do {
                let group = surroundings.group
                let logger = logger
                try await guest.listen(port: port) { stream in
                    do {
                        try await Relay.run(stream, toLocalPort: port, group: group)
                    } catch {
                        logger.debug(
                            "a connection from the guest ended", metadata: ["port": "\(port)", "error": "\(error)"])
                    }
                }
            } catch {
                logger.warning(
                    "the pod's port cannot be reached at the guest's localhost",
                    metadata: ["port": "\(port)", "error": "\(error)"])
            }
        }
    }

    /// Brings home what the command left behind, and lets the guest write what it has not written.
    func windUp() async {
        guard let guest else { return }
        let path = config.terminationMessagePath
        let wantsMessage = !path.isEmpty && !config.terminationMessageFile.isEmpty
        let script = wantsMessage ? #"head -c 4096 "$1" 2>/dev/null; sync"# : "sync"
        do {
            let result = try await guest.complete(
                ["/bin/sh", "-c", script, "vzcri-end", path], deadline: .seconds(10), limit: 4096)
            guard wantsMessage, result.output.readableBytes > 0 else { return }
            let (file, bytes) = (config.terminationMessageFile, Array(result.output.readableBytesView))
            try await NIOThreadPool.singleton.runIfActive { try AtomicFile.write(bytes, to: file, mode: 0o644) }
        } catch {
            logger.warning("the guest's last words were not fetched", metadata: ["error": "\(error)"])
        }
    }
}
