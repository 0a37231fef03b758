import HostFiles
import NIOCore
import NIOPosix
import Synchronization
import VZEngine
import Waiting

/// Copies shared directories into a guest that cannot mount them: a tar archive, made as it is sent, over the input of a
/// command that unpacks it there.
///
/// Tar, and not SFTP: every guest has it, Dropbear's have no SFTP server; and it carries links, modes and owners in one
/// stream, however many files there are.
struct GuestCopy: Sendable {
    let config: MachineConfig
    let guest: any Guest

    /// How long nothing may move, and how long all of it may take.
    private static let stallTime = Duration.seconds(60)
    private static let limit = Duration.seconds(3600)

    /// Where the copies are, as a word of the guest's shell. A clone of a disk that was used before finds no older
    /// machine's there. On macOS all of it is the user's.
    static func place(in config: MachineConfig) -> String {
        let name = GuestSetup.quoted(String(config.id.prefix(16)))
        return config.guestOS == .macos ? "\"$HOME\"/.vzcri/\(name)" : "/var/lib/vzcri/\(name)"
    }

    /// Copies what the guest has no copy of yet.
    /// - Returns: how many files were left out, because they mean something on this host only.
    /// - Throws: `VZEngineError`: `startFailed` when it can never be.
    func copy(_ share: MachineConfig.Share) async throws -> Int { try await send(share, Self.copyScript) }

    /// Replaces what was copied before, all at once where the source is made so: by a link `..data` to its present content.
    /// - Throws: `VZEngineError`: `failed` when the source changed meanwhile.
    func refresh(_ share: MachineConfig.Share) async throws { _ = try await send(share, Self.refreshScript) }

    // MARK: In the guest

    private static let copyScript = """
        if [ -e "$place.copied" ]; then echo have; exit 0; fi
        rm -rf "$place"
        umask 077
        mkdir -p "$place" || exit
        umask 022
        echo ready
        cd "$place" && tar -xpf - && : > "$place.copied" && echo done
        """

    /// New content first, then the link to it, then the other links; at last what is not there any more.
    private static let refreshScript = """
        new=$place/..vzcri-new
        rm -rf "$new"
        mkdir "$new" || exit
        echo ready
        cd "$new" && tar -xpf - || exit 1
        there() { [ -e "$1" ] || [ -L "$1" ]; }
        swap() { mv -Tf "$1" "$2" 2>/dev/null || mv -hf "$1" "$2" 2>/dev/null || { rm -rf "$2" && mv "$1" "$2"; }; }
        names=
        for file in * .[!.]* ..?*; do
            there "$file" || continue
            names="$names/$file/"
            [ ! -L "$file" ] || continue
            if [ -d "$file" ] && [ -e "$place/$file" ]; then continue; fi
            swap "$file" "$place/$file" || exit 1
        done
        if [ -L ..data ]; then
            [ -e "$place/$(readlink ..data)" ] || exit \(changedCode)
            swap ..data "$place/..data" || exit 1
        fi
        for file in * .[!.]*; do
            [ -L "$file" ] || continue
            [ "$(readlink "$file")" = "$(readlink "$place/$file" 2>/dev/null)" ] || swap "$file" "$place/$file" || exit 1
        done
        cd "$place" || exit
        for file in * .[!.]* ..?*; do
            case $names in *"/$file/"*) continue ;; esac
            there "$file" && rm -rf "$file"
        done
        echo done
        """

    private static let changedCode = 76

    private func command(_ script: String, _ share: MachineConfig.Share) -> [String] {
        let text = "place=\(Self.place(in: config))/\(GuestSetup.quoted(share.tag))\n" + script
        let isPlain = config.guestOS == .macos || config.credentials.user == "root"
        return (isPlain ? ["/bin/sh", "-c"] : GuestSetup.becomingRoot) + [text, "vzcri-copy"]
    }

    // MARK: Sending

    private func send(_ share: MachineConfig.Share, _ script: String) async throws -> Int {
        var request = GuestProgramRequest(command(script, share))
        request.hasInput = true
        let source = share.source
        let overdue = VZEngineError(.deadline, "copying \(source) into the guest took longer than \(Self.limit)")
        return try await withDeadline(Self.limit, or: overdue) { [request] in
            let program = try await moving(source) { try await guest.run(request) }
            do {
                return try await serve(share, to: program)
            } catch {
                await program.killNow()
                throw error
            }
        }
    }

    private func serve(_ share: MachineConfig.Share, to program: any GuestProgram) async throws -> Int {
        let source = share.source
        var words = Words(source: source)
        while words.line == nil {
            try words.take(try await moving(source) { try await program.next() })
        }
        if words.line == "have" { return 0 }
        let archive = try await Self.open(share)
        let heard = words
        return try await withThrowingTaskGroup(of: Words?.self) { group in
            group.addTask {
                try await feed(archive, source, to: program)
                return nil
            }
            group.addTask {
                var words = heard
                while words.code == nil { try words.take(try await program.next()) }
                return words
            }
            defer { group.cancelAll() }
            while let end = try await group.next() {
                guard let end else { continue }
                try end.check()
                return archive.leftOut
            }
            throw CancellationError()
        }
    }

    private func feed(_ archive: Shared, _ source: String, to program: any GuestProgram) async throws {
        while let piece = try await archive.next() {
            do {
                try await moving(source) { try await program.write(ByteBuffer(bytes: piece)) }
            } catch let error as VZEngineError where error.code == .failed {
                // It reads no more: how it ends says why.
                return
            }
        }
        do { try await program.closeInput() } catch let error as VZEngineError where error.code == .failed {}
        // What was sent is on its way to a disk.
        try await Task.sleep(for: Self.stallTime)
        throw VZEngineError(.deadline, "the guest did not finish its copy of \(source) within \(Self.stallTime)")
    }

    private func moving<R: Sendable>(
        _ source: String, _ body: @escaping @Sendable () async throws -> R
    ) async throws -> R {
        let stalled = VZEngineError(.deadline, "copying \(source) into the guest stood still for \(Self.stallTime)")
        return try await withDeadline(Self.stallTime, or: stalled, body)
    }

    private static func open(_ share: MachineConfig.Share) async throws -> Shared {
        do {
            return try await NIOThreadPool.singleton.runIfActive {
                Shared(try TreeArchive.open(share.source, isResolved: share.isResolved == true))
            }
        } catch let error as HostFilesError {
            throw VZEngineError(.startFailed, "\(share.source) cannot be copied into the guest", cause: error)
        }
    }

    /// An archive that one thread after the other reads.
    private final class Shared: Sendable {
        private let archive: Mutex<TreeArchive>

        init(_ archive: consuming sending TreeArchive) { self.archive = Mutex(archive) }

        var leftOut: Int { archive.withLock { $0.leftOut } }

        func next() async throws -> [UInt8]? {
            do {
                return try await NIOThreadPool.singleton.runIfActive { try self.archive.withLock { try $0.next() } }
            } catch let error as VZEngineError {
                // It is the host's own, and the same the next time.
                throw VZEngineError(.startFailed, error.message)
            }
        }
    }

    /// What the command in the guest says of itself.
    private struct Words: Sendable {
        let source: String
        private(set) var line: String?
        private(set) var code: Int32?
        private var output = ""
        private var errors = ""

        init(source: String) { self.source = source }

        mutating func take(_ event: GuestProgramEvent?) throws {
            switch event {
            case .output(let bytes):
                output += String(buffer: bytes)
                if line == nil, let end = output.firstIndex(of: "\n") { line = String(output[..<end]) }
            case .errorOutput(let bytes): errors = String((errors + String(buffer: bytes)).suffix(2000))
            case .exited(let code):
                self.code = code
                if line == nil { try check() }
            case nil: throw VZEngineError(.guestUnreachable, "copying \(source) into the guest broke off")
            }
        }

        func check() throws {
            switch code {
            case 0 where output.hasSuffix("done\n"): return
            case Int32(GuestCopy.changedCode): throw VZEngineError(.failed, "\(source) changed while it was copied")
            case .some(let code) where code > 128:
                throw VZEngineError(.guestUnreachable, "the guest ended its copying by signal \(code - 128)")
            default:
                let reason = errors.split(separator: "\n").last.map(String.init) ?? "exit code \(code ?? -1)"
                throw VZEngineError(.startFailed, "\(source) could not be copied into the guest: \(reason)")
            }
        }
    }
}
