import Foundation
import Support

@testable import CRIShim

/// CNI plugins of the tests' own.
enum CNIFixture {
    /// Directories with two chained plugins that note what they are given: `wire`, and `tune`, which fails on ADD when there
    /// is a file `fail`.
    static func with(
        _ body: @Sendable (_ directory: String, _ settings: NetworkSettings) async throws -> Void
    ) async throws {
        try await withTemporaryDirectory { directory in
            try RootDirectory.makeDirectory(directory + "/bin", mode: 0o755)
            try RootDirectory.makeDirectory(directory + "/conf", mode: 0o755)
            let note = """
                #!/bin/sh
                n=$(ls '\(directory)' | grep -c '^call')
                { echo "$CNI_COMMAND $(basename "$0") $CNI_IFNAME $CNI_CONTAINERID"; echo "$CNI_NETNS"; echo "$CNI_ARGS"; cat; } >'\(directory)'/call$n

                """
            let wire =
                note + """
                    [ "$CNI_COMMAND" = ADD ] || exit 0
                    echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"address":"10.66.0.9/24","interface":0}]}'
                    """
            let tune =
                note + """
                    [ "$CNI_COMMAND" = ADD ] || exit 0
                    if [ -e '\(directory)'/fail ]; then echo '{"code":11,"msg":"try again","details":"no agent"}'; exit 1; fi
                    echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"'"$CNI_NETNS"'"}],"ips":[{"address":"10.66.0.9/24","interface":0}],"dns":{}}'
                    """
            for (name, text) in [("wire", wire), ("tune", tune)] {
                try Data(text.utf8).write(to: URL(filePath: "\(directory)/bin/\(name)"))
                chmod("\(directory)/bin/\(name)", 0o755)
            }
            try Data(
                #"{"cniVersion":"1.0.0","name":"test","plugins":[{"type":"wire"},{"type":"tune","capabilities":{"portMappings":true}}]}"#
                    .utf8
            ).write(to: URL(filePath: directory + "/conf/10-test.conflist"))
            var settings = NetworkSettings()
            settings.cniConfDir = directory + "/conf"
            settings.cniBinDir = directory + "/none:" + directory + "/bin"
            try await body(directory, settings)
        }
    }

    /// What the plugins were called with, in order: verb and name, namespace, arguments, configuration.
    static func calls(_ directory: String) throws -> [[String]] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("call") }.sorted().map {
            try String(contentsOfFile: directory + "/" + $0, encoding: .utf8).split(separator: "\n").map(String.init)
        }
    }
}
