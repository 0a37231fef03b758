import ArgumentParser
import Launch
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
        commandName: "prune", abstract: "Remove data that no name, no machine and no checkpoint needs any more.")
    @OptionGroup var options: ImageStoreOptions

    func run() throws {
        try options.run { store, root in
            let collected = try store.collect(keeping: .zero) { try MachineReferences.digests(ofRoot: root) }
            for id in collected.images { print("deleted \(id)") }
            print("removed \(collected.files) files")
        }
    }
}
