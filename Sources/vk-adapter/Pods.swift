import ArgumentParser
import Launch
import Settings
import VKAdapter

/// `vk-adapter pods`: what runs on this node, for people without `kubectl`.
struct Pods: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the pods of the adapter that runs here.",
        discussion: "With a name: its containers, conditions and last events.")

    @Argument(help: ArgumentHelp("One pod: NAME or NAMESPACE/NAME.", valueName: "name"))
    var name: String?

    @Option(
        name: [.customShort("n"), .long], help: ArgumentHelp("Only pods of this namespace.", valueName: "namespace"))
    var namespace: String?

    @Option(help: ArgumentHelp("The adapter's own directory.", valueName: "directory"))
    var root: String?

    @OptionGroup var common: CommonOptions

    func run() async throws {
        var flags = FlagValues()
        flags.set("root", root)
        let resolved = try Start.settings(section: AdapterSettings.section, common: common, flags: flags)
        do {
            let pods = try await NodePods.ask(root: AdapterSettings(resolved).root)
            print(
                try name.map { try pods.details($0, namespace: namespace) } ?? pods.table(namespace: namespace),
                terminator: "")
        } catch let error as AdapterError {
            throw ProgramFailure("\(error)")
        }
    }
}
