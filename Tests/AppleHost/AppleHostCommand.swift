import ArgumentParser
import Foundation
import Launch
import Logging
import VMHost
import VZEngine
import VZEngineApple
import Virtualization

/// `vm-host` with Apple's engine over the double of its framework: what a pod's machine is on a Mac, as far as that can be
/// had without one. Its guests run for real. Takes the arguments that `vm-host` takes.
struct AppleHostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm-host-double", abstract: "vm-host over a simulated Mac; for tests.", subcommands: [Run.self])

    struct Run: AsyncParsableCommand {
        @Option var bundle: String
        @Option var runDir: String
        @Option var logLevel = "info"

        func run() async throws {
            var logger = Logger(label: "vm-host") { _ in StandardErrorLog() }
            logger.logLevel = Logger.Level(rawValue: logLevel) ?? .info
            let mac = SimulatedMac(at: URL(fileURLWithPath: bundle).resolvingSymlinksInPath().path)
            mac.behaviour = try Wishes.read().behaviour
            try await VMHost.run(bundle: bundle, runDirectory: runDir, logger: logger) { group, logger in
                AppleEngine(
                    addresses: { _, _ in
                        guard let address = mac.guests.last?.address else {
                            throw VZEngineError(.guestUnreachable, "the guest has no address")
                        }
                        return address
                    }, group: group, logger: logger)
            }
        }
    }
}

/// What a test wants of the simulated Mac: in the file that `VZCRI_SIMULATED_MAC` names, where there is one.
private struct Wishes: Decodable {
    /// Apple's number of the error with which machines do not start.
    var startError: Int?

    static func read() throws -> Wishes {
        guard let path = ProcessInfo.processInfo.environment["VZCRI_SIMULATED_MAC"],
            let data = FileManager.default.contents(atPath: path)
        else { return Wishes() }
        return try JSONDecoder().decode(Wishes.self, from: data)
    }

    var behaviour: GuestBehaviour {
        var behaviour = GuestBehaviour()
        behaviour.runsGuests = true
        behaviour.startError = startError.flatMap(VZError.Code.init)
        return behaviour
    }
}
