import ArgumentParser

struct VKAdapterCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vk-adapter",
        abstract: "A virtual kubelet: pods become calls to any CRI v1 runtime.",
        version: versionText,
        subcommands: [Run.self, Pods.self, Version.self], defaultSubcommand: Run.self)

    static let versionText = "0.1.0"
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() {
        print("vk-adapter \(VKAdapterCommand.versionText)")
    }
}
