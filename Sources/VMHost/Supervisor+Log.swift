import HostFiles
import Logging
import VZEngine

/// The log of a guest that is its own container, when a command in it tells more than the console.
extension Supervisor {
    /// A command that ends at once is not begun again at once.
    private static let longestPause = Duration.seconds(30)

    /// Runs the log command as long as the machine lives: again when it has ended, or the guest was away.
    func followLogCommand() async {
        guard config.main.command.isEmpty, let command = config.logCommand else { return }
        var pause = Duration.seconds(1)
        while !Task.isCancelled {
            do {
                try await board.waitUntilReachable()
                guard let guest else { return }
                let start = clock.now().elapsed
                let code = try await copyLog(of: command, in: guest)
                logger.warning("the log command has ended", metadata: ["code": "\(code)"])
                if clock.now().elapsed - start > Self.longestPause { pause = .seconds(1) }
            } catch {
                if Task.isCancelled || board.givenUp != nil { return }
                logger.info("the log command was lost", metadata: ["error": "\(error)"])
            }
            do { try await Task.sleep(for: pause) } catch { return }
            pause = min(pause * 2, Self.longestPause)
        }
    }

    private func copyLog(of command: [String], in guest: any Guest) async throws -> Int32 {
        let program = try await guest.run(GuestProgramRequest(command))
        return try await withTaskCancellationHandler {
            while let event = try await program.next() {
                switch event {
                case .output(let bytes): await log.append(.stdout, bytes)
                case .errorOutput(let bytes): await log.append(.stderr, bytes)
                case .exited(let code): return code
                }
            }
            throw VZEngineError(.guestUnreachable, "the connection to the log command ended")
        } onCancel: {
            Task { await program.killNow() }
        }
    }
}
