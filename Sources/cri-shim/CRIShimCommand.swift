import ArgumentParser

struct CRIShimCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "cri-shim",
        abstract: "A CRI v1 server: Kubernetes pods as Docker containers.",
        version: versionText,
        subcommands: [
            Serve.self, Image.self, VM.self, Ctl.self, DoctorCommand.self, Version.self,
            ImageServer.self,
        ])

    static let versionText = "0.1.0"
}

struct Version: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Print the version.")

    func run() {
        print("cri-shim \(CRIShimCommand.versionText)")
    }
}
