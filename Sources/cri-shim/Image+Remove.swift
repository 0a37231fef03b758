import ArgumentParser
import CRIControl
import CRIShim
import Launch
import Settings
import VMImages

struct ImageRemove: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rm",
        abstract: "Take names of VM images away, or all names of an id.",
        discussion: "The data of an image without a name goes as soon as no machine uses it.")
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "Names, ids, or the beginnings of ids.") var images: [String]

    func run() throws {
        try options.run { store, root in
            var missing: [String] = []
            for reference in images {
                let removal = try store.remove(reference) { try MachineReferences.digests(ofRoot: root) }
                guard let removal else {
                    missing.append(reference)
                    continue
                }
                for name in removal.untagged { print("untagged \(name)") }
                if removal.isDeleted {
                    print("deleted \(removal.id)")
                } else if try store.resolve(removal.id)?.names.isEmpty ?? false {
                    print("kept \(removal.id): a machine or a checkpoint uses it; its data goes when that is removed")
                }
            }
            if !missing.isEmpty { throw ImageMissing.error(missing.joined(separator: ", ")) }
        }
    }
}

struct ImagePrune: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prune", abstract: "Remove data that no name, no machine and no checkpoint needs any more.",
        discussion: "Images that are pinned, or that pinnedImages names, stay whatever their age.")
    @OptionGroup var options: ImageStoreOptions
    @Option(
        help: ArgumentHelp(
            "Also images of which no machine was made for longer: 7d, 12h, 90m.", valueName: "time"))
    var olderThan: String?

    func run() throws {
        let age = try olderThan.map { text in
            guard let seconds = secondsMeant(by: text), seconds >= 0 else {
                throw ProgramFailure("--older-than: \"\(text)\" is no time: write 7d, 12h or 90m", exitCode: Exit.usage)
            }
            return Duration.seconds(seconds)
        }
        var kept = try Start.configured { try KeptImages(try options.settings()) }
        // Somebody asks for it.
        kept.keepsMade = false
        try options.run { [kept] store, root in
            if let age { try removeUnused(store, root, age, kept) }
            let collected = try store.collect(keeping: .zero) { try MachineReferences.digests(ofRoot: root) }
            for id in collected.images { print("deleted \(id)") }
            print("removed \(collected.files) files")
        }
    }

    private func removeUnused(_ store: ImageStore, _ root: String, _ age: Duration, _ kept: KeptImages) throws {
        let now = CtlDefaults.now()
        for unused in try store.unused(inUse: try MachineReferences.digests(ofRoot: root))
        where unused.age(now: now) >= age && kept.reason(unused.image) == nil {
            let removed = try store.remove(unused) { try MachineReferences.digests(ofRoot: root) }
            guard removed != nil else { continue }
            for name in unused.image.names { print("untagged \(name)") }
            print("deleted \(unused.image.id)")
        }
    }
}
