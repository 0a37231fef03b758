public import VZEngine

/// What the contract needs of an engine under test: machines, and hands in their guests.
public protocol ContractSubject: Sendable {
    /// What this engine, or this kind of guest, cannot, and why. Whatever stands here must be refused as `unsupported`, or
    /// not happen; whatever does not must work.
    var cannot: [Ability: String] { get }
    /// A new machine with its disk, in a directory of its own. Without a guest it may be anything that stands still.
    func make(in directory: String, hasGuest: Bool) async throws -> any ContractMachine
}

public enum Ability: String, Sendable, CaseIterable {
    case pause, save, setMemory, screenshot, replaceShare
    /// `changes` says that the guest restarted.
    case noticesRestart
    /// The guest shuts down when its power button is pressed.
    case heedsPowerButton
    /// The guest's last words tell a panic from other ends.
    case panics
}

/// A machine that does not run yet.
public protocol ContractMachine: Sendable {
    var config: MachineConfig { get set }
    var bundle: MachineBundle { get }
    func run() async throws -> any ContractRun
    /// What a machine has left on the host that should have gone with it: files, processes.
    var leftovers: [String] { get async throws }
}

public enum Deed: Sendable {
    /// The guest switches itself off.
    case powerOff
    case panic
    case restart
}

/// A machine that runs.
public protocol ContractRun: Sendable {
    var machine: any Machine { get }
    /// Until the console's end, which comes with the machine's.
    func wholeConsole() async -> String
    /// What the guest says on its console when it is there.
    var greeting: String { get }

    /// Waits for the guest.
    func booted() async throws
    func perform(_ deed: Deed) async throws
    /// In the guest's memory, and nowhere else.
    func remember(_ text: String) async throws
    func recall() async throws -> String
    /// A file of a share, as the guest sees it.
    func read(_ file: String, ofShare tag: String) async throws -> String
    /// - Returns: whether it could.
    func write(_ text: String, to file: String, ofShare tag: String) async throws -> Bool
}
