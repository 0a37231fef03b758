@testable import VKAdapter

/// What this process holds on to.
struct ProcessUse: Sendable, CustomStringConvertible {
    var files: Int
    var threads: Int
    /// Of memory that is in no file, in MiB.
    var memory: Int

    static func now() -> ProcessUse {
        let (threads, memory) = threadsAndMemory()
        return ProcessUse(files: ProcessFacts.now().openFiles ?? 0, threads: threads, memory: memory)
    }

    var description: String { "\(files) open files, \(threads) threads, RssAnon \(memory) MiB" }
}
