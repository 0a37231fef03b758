import Foundation
import Support
import Testing

/// The built executables, run as a user would.
enum Programs {
    /// Beside the test bundle.
    static func path(_ name: String) -> String {
        URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: name).path
    }

    /// Runs a program to its end.
    static func run(_ name: String, _ arguments: [String], environment: [String: String] = [:]) async throws
        -> ChildProcess.Outcome
    {
        try await ChildProcess.run(
            path(name), arguments, environment: clean.merging(environment) { $1 }, limit: .seconds(60))
    }

    /// - Parameter directory: where the program is; beside the tests when nil.
    static func start(
        _ name: String, _ arguments: [String], environment: [String: String] = [:], in directory: String? = nil
    ) throws -> ChildProcess {
        try ChildProcess(
            directory.map { "\($0)/\(name)" } ?? path(name), arguments, environment: clean.merging(environment) { $1 })
    }

    /// Nothing of this machine's own settings.
    private static let clean = [
        "DOCKER_HOST": "", "KUBECONFIG": "", "KUBELET_PORT": "", "VKUBELET_NODE_NAME": "",
        "CONTAINER_RUNTIME_ENDPOINT": "",
    ]
}

/// What a failing start must look like: one line on standard error that begins with the program's name, holds `text`,
/// and the exit code; nothing on standard output.
func expectOneLine(
    _ outcome: ChildProcess.Outcome, _ program: String, code: Int32, _ texts: String...,
    sourceLocation: SourceLocation = #_sourceLocation
) {
    #expect(outcome.code == code, "\(outcome.errors)", sourceLocation: sourceLocation)
    let lines = outcome.errors.split(separator: "\n").filter { !$0.contains(" info ") && !$0.contains(" warning ") }
    #expect(lines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
    #expect(lines.first?.hasPrefix(program) == true, "\(outcome.errors)", sourceLocation: sourceLocation)
    for text in texts { #expect(outcome.errors.contains(text), "\(outcome.errors)", sourceLocation: sourceLocation) }
    #expect(outcome.output.isEmpty, sourceLocation: sourceLocation)
}

/// Every file below a directory with its contents: what must not change.
func snapshot(_ directory: String) throws -> [String: Data] {
    var files: [String: Data] = [:]
    for name in try FileManager.default.subpathsOfDirectory(atPath: directory) {
        files[name] = FileManager.default.contents(atPath: "\(directory)/\(name)") ?? Data()
    }
    return files
}
