import ArgumentParser
import CRIShim
import Launch
import Logging
import NIOPosix
import Settings
import VMImages
import VZEngine

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

struct ImageCommitCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "commit",
        abstract: "Make a VM image of a machine that has stopped, as a child of the one it was made of.",
        discussion: """
            A machine is named as for cri-shim vm. The disk of one that has ended is there when its pod has the annotation
            vzcri.dev/keep-disk: "true". When the new image is pushed, only what differs from its base is sent.

            Example: cri-shim image commit builder registry.example/team/guest:2
            """)
    @OptionGroup var options: ImageStoreOptions
    @Argument(help: "The machine: id, the beginning of one, or a name.") var machine: String
    @Argument(help: "The new image's name, [REGISTRY/]NAME[:TAG].") var name: String

    func run() async throws {
        try await options.runAsync { store, settings in
            let inventory = MachineInventory(
                root: settings.root, state: ShimConfiguration.stateDirectory(settings),
                group: MultiThreadedEventLoopGroup.singleton, logger: store.logger)
            let found = try await inventory.find(machine)
            guard [.exited, .held, .created].contains(found.state) else {
                throw ProgramFailure(
                    "machine \(machine) is \(found.state.rawValue): stop it first, or its disk is not whole")
            }
            let bundle = "\(settings.root)/machines/\(found.id)"
            guard let base = try store.base(ofMachine: bundle) else {
                throw ProgramFailure("the image that machine \(machine) was made of is not here any more")
            }
            let config = try JSONDecoder().decode(
                MachineConfig.self, from: Data(contentsOf: URL(filePath: bundle + "/config.json")))
            // Others are the pod's.
            let disks = config.disks.filter { !$0.readOnly && $0.path.hasPrefix(bundle + "/") }.map(\.path)
            guard disks.allSatisfy({ access($0, R_OK) == 0 }) else {
                throw ProgramFailure(
                    """
                    machine \(machine) has ended and its disk went with it: a pod with the annotation \
                    vzcri.dev/keep-disk: "true" keeps it until its container is removed
                    """)
            }
            let variables: String? =
                switch config.boot {
                case .kernel: nil
                case .efi(let variables): variables
                case .mac(_, _, let storage): storage
                }
            let image = try await store.commit(
                ImageCommit(name: name, base: base.id, disks: disks, variables: variables))
            print(image.id)
        }
    }
}

extension ImageStoreOptions {
    /// Runs `body` with the store, and turns its failure into one line and an exit code.
    func runAsync(_ body: (ImageStore, ShimSettings) async throws -> Void) async throws {
        let settings = try settings()
        var logger = Logger(label: "image") { _ in StandardErrorLog() }
        logger.logLevel = .warning
        do {
            try await body(ImageStore(directory: settings.root + "/images", logger: logger), settings)
        } catch {
            throw Self.failure(error)
        }
    }
}
