import NIOCore
import VZEngine

/// A program in the guest that sleeps as long as the connection to it lasts, and says which boot it belongs to: how the
/// supervisor knows, without asking again and again, that the guest is there.
struct BootWatch: Sendable {
    let bootID: String
    private let program: any GuestProgram

    /// Also for systems that have no boot id of their own.
    private static let script = """
        { read -r boot < /proc/sys/kernel/random/boot_id; } 2>/dev/null ||
            boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null) || boot=unknown
        echo "$boot"
        exec cat >/dev/null
        """

    static func begin(in guest: any Guest) async throws -> BootWatch {
        var request = GuestProgramRequest(["/bin/sh", "-c", script])
        request.hasInput = true
        let program = try await guest.run(request)
        do {
            var text = ""
            while !text.contains("\n") {
                switch try await program.next() {
                case .output(let bytes): text += String(buffer: bytes)
                case .errorOutput: continue
                case .exited(let code):
                    throw VZEngineError(.guestUnreachable, "the guest's shell ended with code \(code)")
                case nil: throw VZEngineError(.guestUnreachable, "the guest's shell said nothing")
                }
            }
            return BootWatch(bootID: String(text.prefix { $0 != "\n" }), program: program)
        } catch {
            await program.killNow()
            throw error
        }
    }

    /// Returns why, when the guest cannot be reached any more, or the task is cancelled.
    func untilLost() async -> String {
        do {
            while let event = try await program.next() {
                if case .exited(let code) = event { return "its watch ended with code \(code)" }
            }
            return "the connection ended"
        } catch {
            if Task.isCancelled { await program.killNow() }
            return "\(error)"
        }
    }
}
