import NIOCore
import VZEngine

/// A program in the guest that says which boot it belongs to, sets the guest up, and then sleeps as long as the connection
/// to it lasts: how the supervisor knows, without asking again and again, that the guest is there.
///
/// One program for all of it: an emulated processor starts programs slowly.
struct BootWatch: Sendable {
    let bootID: String
    private let program: any GuestProgram
    private var words = ""
    private var errors = ""

    /// The last line that it prints.
    private static let prepared = "prepared"
    /// The line before that, when the guest knows no shared directories.
    private static let pending = "pending"

    /// The guest needs copies of what it cannot mount, and then the set-up once more.
    private(set) var needsCopies = false

    /// Also for systems that have no boot id of their own. `$1` is the boot that is set up already, `$2` the script that sets
    /// up, and the rest what runs that; this shell does when there is no rest.
    private static let script = """
        { read -r boot < /proc/sys/kernel/random/boot_id; } 2>/dev/null ||
            boot=$(sysctl -n kern.bootsessionuuid 2>/dev/null) || boot=unknown
        echo "$boot"
        if [ "$boot" != "$1" ]; then
            setup=$2
            shift 2
            pending=
            if [ $# = 0 ]; then
                eval "$setup" </dev/null >&2
            else
                "$@" "$setup" </dev/null >&2
                code=$?
                case $code in 0) ;; \(GuestSetup.pendingCode)) pending=1 ;; *) exit "$code" ;; esac
            fi
            [ -z "$pending" ] || echo \(pending)
        fi
        echo \(prepared)
        exec cat >/dev/null
        """

    /// Starts it; returns when it has said its boot.
    ///
    /// - Parameter preparedBoot: the boot that needs no set-up any more.
    /// - Throws: what ``Guest/run(_:)`` throws.
    static func begin(in guest: any Guest, setup: GuestSetup.Script, preparedBoot: String?) async throws -> BootWatch {
        var request = GuestProgramRequest(
            ["/bin/sh", "-c", script, "vzcri-boot", preparedBoot ?? "", setup.text] + setup.runner)
        request.hasInput = true
        return try await BootWatch(try await guest.run(request))
    }

    private init(_ program: any GuestProgram) async throws {
        self.program = program
        var line = ""
        do {
            line = try await Self.line(of: program, &words, &errors)
        } catch {
            await program.killNow()
            throw error
        }
        bootID = line
    }

    /// Until the guest is set up.
    ///
    /// - Parameter warn: is given what the set-up complained of, line by line.
    /// - Throws: `VZEngineError`: `startFailed` when the set-up failed, which it will again.
    mutating func untilPrepared(warn: (Substring) -> Void) async throws {
        defer { for line in errors.split(separator: "\n") { warn(line) } }
        do {
            var line = try await Self.line(of: program, &words, &errors)
            if line == Self.pending {
                needsCopies = true
                line = try await Self.line(of: program, &words, &errors)
            }
            guard line == Self.prepared else {
                throw VZEngineError(.startFailed, "the guest could not be set up: it said \(line)")
            }
        } catch {
            await program.killNow()
            throw error
        }
    }

    /// The next line. What came after it stays in `words`.
    private static func line(
        of program: any GuestProgram, _ words: inout String, _ errors: inout String
    ) async throws -> String {
        while true {
            if let end = words.firstIndex(of: "\n") {
                defer { words.removeSubrange(...end) }
                return String(words[..<end])
            }
            switch try await program.next() {
            case .output(let bytes): words += String(buffer: bytes)
            case .errorOutput(let bytes): errors += String(buffer: bytes)
            case .exited(let code) where code > 128:
                throw VZEngineError(.guestUnreachable, "the guest ended its shell by signal \(code - 128)")
            case .exited(let code):
                let reason = errors.split(separator: "\n").last.map(String.init) ?? "exit code \(code)"
                throw VZEngineError(.startFailed, "the guest could not be set up: \(reason)")
            case nil: throw VZEngineError(.guestUnreachable, "the guest's shell said nothing")
            }
        }
    }

    /// Ends it in the guest as well.
    func end() async { await program.killNow() }

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
