import ArgumentParser
import Launch
import VMHost

struct VMHostCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "vm-host",
        abstract: "The supervisor of one virtual machine; cri-shim starts it.",
        version: "0.1.0",
        subcommands: [Run.self])
}
