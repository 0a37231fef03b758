import ArgumentParser
import CRIControl

struct CtlVersion: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "version", abstract: "The runtime's name and version.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table

    func run() async throws { try await connection.run { try await $0.version(output) } }
}

struct CtlInfo: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "info", abstract: "The runtime's conditions, handlers and what else it tells about itself.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table

    func run() async throws { try await connection.run { try await $0.info(output) } }
}

struct CtlPods: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pods", abstract: "Pod sandboxes, newest first.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table
    @Option(help: "Only pods of this name.") var name: String?
    @Option(help: "Only pods of this namespace.") var namespace: String?
    @Flag(help: "Leave out what is not ready.") var ready = false
    @Flag(name: .shortAndLong, help: "Full ids only.") var quiet = false

    func run() async throws {
        try await connection.run {
            try await $0.pods(output, name: name, namespace: namespace, readyOnly: ready, quiet: quiet)
        }
    }
}

struct CtlPs: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "ps", abstract: "Running containers, newest first.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table
    @Flag(name: .shortAndLong, help: "Also what does not run.") var all = false
    @Option(name: .shortAndLong, help: "Only containers of this pod.") var pod: String?
    @Flag(name: .shortAndLong, help: "Full ids only.") var quiet = false

    func run() async throws {
        try await connection.run { try await $0.containers(output, all: all, pod: pod, quiet: quiet) }
    }
}

struct CtlImages: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "images", abstract: "The runtime's images.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table
    @Flag(name: .shortAndLong, help: "Full ids only.") var quiet = false

    func run() async throws { try await connection.run { try await $0.images(output, quiet: quiet) } }
}

struct CtlStats: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "stats", abstract: "What containers use. cri-shim has no statistics yet and says so.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "table or json.") var output: OutputFormat = .table

    func run() async throws { try await connection.run { try await $0.stats(output) } }
}

struct CtlConfig: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "config", abstract: "What this client uses, where that was found, and the runtime's cgroup driver."
    )
    @OptionGroup var connection: CtlConnection

    func run() async throws { try await connection.run { try await $0.config(origin: connection.source.origin) } }
}

struct CtlInspect: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Everything about a container, as JSON.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "Container.") var container: String

    func run() async throws { try await connection.run { try await $0.inspect(container: container) } }
}

struct CtlInspectPod: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspectp", abstract: "Everything about a pod, as JSON.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "Pod.") var pod: String

    func run() async throws { try await connection.run { try await $0.inspect(pod: pod) } }
}
