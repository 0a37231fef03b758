import HostFiles
import Logging
import NIOCore
import NIOPosix
import Synchronization
import VZEngine
import Waiting

/// What the supervisor does in the guest.
extension Supervisor {
    /// One attempt to reach the guest, from dialling to the first line.
    private static let attemptTime = Duration.seconds(60)
    private static let setupTime = Duration.seconds(60)

    /// Keeps in touch with the guest as long as the machine lives.
    func reachGuest(_ machine: any Machine) async {
        do {
            try place(try await machine.guestAddress(), isMove: false)
            note(.addressed)
        } catch {
            // A machine that died has no address either, and its end says more.
            if await !Self.ends(machine, within: .seconds(2)) { giveUp("the guest has no address: \(error)") }
            return
        }
        var touch = GuestTouch(limit: .seconds(config.readinessTimeout))
        var lastBoot: String?
        while !Task.isCancelled, let guest {
            let (place, restarts) = (placeNumber, board.restarts)
            do {
                let watch = try await enter(guest, preparedBoot: lastBoot)
                touch.succeeded()
                lastBoot = watch.bootID
                board.guestIsPrepared(after: restarts)
                note(.guestReady)
                let why = await untilLost(watch, orMovedFrom: place)
                board.update { $0.isReachable = false }
                logger.info("the guest is not reachable any more", metadata: ["reason": "\(why)"])
            } catch let error as VZEngineError where error.code == .startFailed {
                logger.error("the guest could not be set up", metadata: ["error": "\(error)"])
                note(.prepareFailed("\(error)"))
                return
            } catch {
                if Task.isCancelled { return }
                logger.debug("the guest was not entered", metadata: ["error": "\(error)"])
                if board.restarts != restarts { touch.restarted() }
                switch touch.failed(error, at: ContinuousClock.now) {
                case .again(let pause): do { try await Task.sleep(for: pause) } catch { return }
                case .giveUp(let reason):
                    giveUp(reason)
                    return
                }
            }
        }
    }

    private static func ends(_ machine: any Machine, within limit: Duration) async -> Bool {
        let (answers, answer) = AsyncStream.makeStream(of: Bool.self)
        // Goes on with the machine: its end cannot be given up waiting for.
        Task {
            _ = await machine.waitForEnd()
            answer.yield(true)
        }
        let timer = Task {
            try await Task.sleep(for: limit)
            answer.yield(false)
        }
        defer { timer.cancel() }
        for await hasEnded in answers { return hasEnded }
        return true
    }

    /// Until the guest is reached and set up. Done again after a loss at any point.
    private func enter(_ guest: any Guest, preparedBoot: String?) async throws -> BootWatch {
        let setup = GuestSetup.script(for: config, now: Moment.Clock.wall())
        let watch = try await withDeadline(
            Self.attemptTime, or: VZEngineError(.guestUnreachable, "the guest does not answer")
        ) { try await BootWatch.begin(in: guest, setup: setup, preparedBoot: preparedBoot) }
        if watch.bootID != preparedBoot {
            logger.info("the guest is reachable", metadata: ["boot": "\(watch.bootID)"])
        }
        let overdue = VZEngineError(.deadline, "the guest was not set up within \(Self.setupTime)")
        let prepared = try await withDeadline(Self.setupTime, or: overdue) {
            var watch = watch
            try await watch.untilPrepared { self.heed(setupLine: $0) }
            return watch
        }
        if prepared.needsCopies {
            do {
                try await copyShares(into: guest, setup, within: Self.setupTime)
            } catch {
                await prepared.end()
                throw error
            }
        }
        await servePeers(in: guest)
        return prepared
    }

    /// Some changes of the machine concern those who talk to its guest.
    func follow(_ changes: AsyncStream<MachineChange>) async {
        for await change in changes {
            logger.info("machine", metadata: ["change": "\(change)"])
            if change == .restarted {
                board.guestRestarts()
                // Nobody answers on what was connected before, and TCP would find that out much later.
                await guest?.disconnect()
            }
            await heed(change)
        }
    }

    private func giveUp(_ reason: String) {
        logger.error("the guest is given up", metadata: ["reason": "\(reason)"])
        board.giveUp(reason)
        note(.guestGivenUp(reason))
    }

    /// Runs the main command to its end. As long as the guest was not given the command, losing it ends nothing: it is tried
    /// again when the guest is back.
    func runCommand() async {
        guard let guest else { return }
        let giveUpAt = ContinuousClock.now + .seconds(config.readinessTimeout)
        var pause = Duration.milliseconds(50)
        while true {
            do {
                try await board.waitUntilReachable()
                let end = try await main.run(in: guest, clock: clock) { note(.commandStarted) }
                logger.info("the command has ended", metadata: ["code": "\(end.code)"])
                main.output.publish(.exited(code: end.code))
                note(.commandEnded(code: end.code), at: end.at)
                return
            } catch let error as VZEngineError where error.code == .notBegun && ContinuousClock.now < giveUpAt {
                logger.warning("the command was not started yet", metadata: ["error": "\(error)"])
                do { try await Task.sleep(for: pause) } catch { return }
                pause = min(pause * 2, .seconds(2))
            } catch {
                if Task.isCancelled { return }
                logger.error("the command was lost", metadata: ["error": "\(error)"])
                let passes: [VZEngineError.Code] = [.guestUnreachable, .notBegun]
                let isRefused = (error as? VZEngineError).map { !passes.contains($0.code) } ?? false
                note(isRefused && !main.hasRun ? .prepareFailed("\(error)") : .commandLost("\(error)"))
                return
            }
        }
    }

    /// The pod's other ports, on the guest's own localhost.
    private func servePeers(in guest: any Guest) async {
        for port in config.network.peerPorts {
            // Made once: the channel makes it again by itself.
            guard parts.withLock({ $0.peerPorts.insert(port).inserted }) else { continue }
            do {
                let group = surroundings.group
                // A machine on a bridge has its supervisor outside of the pod.
                let namespace = config.network.mode.hasOwnAddress ? config.network.namespace : nil
                let logger = logger
                try await guest.listen(port: port) { stream in
                    do {
                        try await Relay.run(stream, toLocalPort: port, in: namespace, group: group)
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

    /// A machine that is at an address of its own: its ports are brought to the pod's localhost as well.
    func serveOwnPorts() async {
        guard config.network.mode.hasOwnAddress, let namespace = config.network.namespace else { return }
        let (group, board) = (surroundings.group, board)
        await withTaskGroup(of: Void.self) { tasks in
            for port in config.network.guestPorts where port.transport == .tcp {
                // Containers may have the same: then it is theirs.
                guard !config.network.peerPorts.contains(port.number) else { continue }
                tasks.addTask {
                    do {
                        try await PodPorts.serve(port.number, in: namespace, group: group) {
                            board.status.address?.host
                        }
                    } catch {
                        if Task.isCancelled { return }
                        self.logger.warning(
                            "the pod does not find a port of its machine at its localhost",
                            metadata: ["port": "\(port.number)", "error": "\(error)"])
                    }
                }
            }
        }
    }

    /// Brings home what the command left behind, and lets the guest write what it has not written.
    func windUp() async {
        guard let guest, board.status.wasReachable else { return }
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

    /// For a disk that is kept, where the power button does not do it.
    func shutDownGuest() async {
        guard let guest else { return }
        do {
            let result = try await guest.complete(
                ["/bin/sh", "-c", "if [ \"$(id -u)\" = 0 ]; then shutdown -h now; else sudo -n shutdown -h now; fi"],
                deadline: .seconds(10))
            guard result.code != 0 else { return }
            logger.warning("the guest does not shut down", metadata: ["said": "\(result.errors)"])
        } catch let error as VZEngineError where error.code == .guestUnreachable {
            // It ends its connections before itself.
        } catch {
            logger.warning("the guest was not told to shut down", metadata: ["error": "\(error)"])
        }
    }
}
