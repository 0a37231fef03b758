import ArgumentParser
import Launch
import Logging
import Registry
import VMImages

struct ImageVerify: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Read a VM image again, and name what is damaged.",
        discussion: """
            Ends with 1 when something is damaged and stays so. With --mend what is damaged of its disks, and nothing else, is \
            fetched again from the registry that has the image in this program's own format.
            """)
    @OptionGroup var options: ImageStoreOptions
    @OptionGroup var registry: RegistryOptions
    @Argument(help: "Name, id, or the beginning of an id.") var image: String
    @Flag(help: "Fetch what is damaged again.") var mend = false
    @Option(help: ArgumentHelp("Under this name (default: the image's first).", valueName: "name")) var from: String?

    func run() async throws {
        var found: (image: VMImage, damage: ImageDamage)?
        try options.run { store, _ in
            guard let image = try store.resolve(image, prefixes: true) else { throw ImageMissing.error(self.image) }
            found = (image, try ImageVerifier(store: store).verify(image.id))
        }
        guard let (whole, damage) = found else { return }
        for blob in damage.blobs { print("damaged: the blob \(blob)") }
        for run in damage.runs {
            print(
                "damaged: disk \(run.disk), bytes \(run.range.lowerBound) to \(run.range.upperBound - 1), "
                    + (run.digest.map { "which ought to be \($0)" } ?? "which ought to be zeros"))
        }
        if damage.isNone {
            print("\(image) is whole")
            return
        }
        guard mend else {
            throw ProgramFailure("\(image) is damaged: mend it (--mend), or remove it and get it again")
        }
        guard let name = from ?? whole.names.first ?? whole.digests.first else {
            throw ProgramFailure("\(image) has no name to fetch it by: say one (--from)")
        }
        try await options.transfer(name, registry) { store, repository, _ in
            let bar = TransferBar(isWanted: true)
            defer { bar.clear() }
            let count = try await ImageVerifier(store: store).mend(whole.id, damage, from: repository) { bar.show($0) }
            bar.clear()
            print("mended: \(count) places")
        }
    }
}

struct ImageConvert: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "convert",
        abstract: "Pull a VM image of any format, and push it in this program's own.",
        discussion: """
            Prints the name with the digest under which the new image can be pulled.

            Example: cri-shim image convert registry.example/tart/macos:15 registry.example/vms/macos:15
            """)
    @OptionGroup var options: ImageStoreOptions
    @OptionGroup var registry: RegistryOptions
    @Flag(name: .shortAndLong, help: "Show no progress.") var quiet = false
    @Argument(help: "What to pull.") var source: String
    @Argument(help: "What to push, [REGISTRY/]NAME[:TAG].") var target: String

    func run() async throws {
        // Said before anything is fetched.
        let name: ImageReference
        do { name = try ImageReference(parsing: target) } catch { throw ImageStoreOptions.failure(error) }
        guard name.digest == nil, !ImageReference.isID(target) else {
            throw ProgramFailure(
                "\"\(target)\" cannot be a name in a registry: give [REGISTRY/]NAME[:TAG]", exitCode: Exit.usage)
        }
        let id = try await options.pull(source, registry, isQuiet: quiet).id
        try await options.transfer(target, registry) { store, repository, reference in
            let bar = TransferBar(isWanted: !quiet)
            defer { bar.clear() }
            let digest = try await ImagePusher(store: store).push(
                id, to: repository, tag: reference.tag ?? "latest"
            ) { bar.show($0) }
            bar.clear()
            print("\(reference.familiarName)@\(digest)")
        }
    }
}
