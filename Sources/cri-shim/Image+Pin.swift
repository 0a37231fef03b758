import ArgumentParser
import Launch
import VMImages

struct ImagePinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pin",
        abstract: "Keep VM images from being removed because they are unused or their disk is full.",
        discussion: "A name stays pinned wherever it goes; an id means that image. Removing the name ends it.")
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "Names, ids, or the beginnings of ids.") var images: [String]

    func run() throws {
        try options.run { store, _ in for image in images { try store.pin(image) } }
    }
}

struct ImageUnpinCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "unpin", abstract: "Let pinned VM images go like others.",
        discussion: "A name ends that name's pin, an id all of the image's.")
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "Names, ids, or the beginnings of ids.") var images: [String]

    func run() throws {
        try options.run { store, _ in for image in images { try store.unpin(image) } }
    }
}
