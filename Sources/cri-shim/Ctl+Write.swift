import ArgumentParser
import CRIControl

struct CtlPull: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "pull", abstract: "Pull an image.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "The image's name.") var image: String

    func run() async throws { try await connection.run { try await $0.pull(image) } }
}

struct CtlRemoveImage: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rmi", abstract: "Remove images.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "Names or ids.") var images: [String]

    func run() async throws { try await connection.run { try await $0.removeImages(images) } }
}

struct CtlStop: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stop", abstract: "Stop containers.")
    @OptionGroup var connection: CtlConnection
    @Option(name: .shortAndLong, help: "Seconds between the stop signal and the kill.") var grace: Int64 = 10
    @Argument(help: "Containers.") var containers: [String]

    func run() async throws { try await connection.run { try await $0.stop(containers: containers, grace: grace) } }
}

struct CtlRemove: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rm", abstract: "Remove containers.")
    @OptionGroup var connection: CtlConnection
    @Flag(name: .shortAndLong, help: "Kill what runs first.") var force = false
    @Argument(help: "Containers.") var containers: [String]

    func run() async throws { try await connection.run { try await $0.remove(containers: containers, force: force) } }
}

struct CtlStopPod: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "stopp", abstract: "Stop pods and all in them.")
    @OptionGroup var connection: CtlConnection
    @Argument(help: "Pods.") var pods: [String]

    func run() async throws { try await connection.run { try await $0.stop(pods: pods) } }
}

struct CtlRemovePod: AsyncParsableCommand {
    static let configuration = CommandConfiguration(commandName: "rmp", abstract: "Remove stopped pods.")
    @OptionGroup var connection: CtlConnection
    @Flag(name: .shortAndLong, help: "Stop what runs first.") var force = false
    @Argument(help: "Pods.") var pods: [String]

    func run() async throws { try await connection.run { try await $0.remove(pods: pods, force: force) } }
}
