import Foundation
public import Testing

/// The Docker Engine of this test run: the one `VZCRI_TEST_DOCKER_HOST` names, as it does under `scripts/test`, else one
/// that is started at first use and ends with this process.
public enum DockerEngine {
    private static let named = ProcessInfo.processInfo.environment["VZCRI_TEST_DOCKER_HOST"].flatMap {
        $0.isEmpty ? nil : $0
    }

    private static let found = Result<String, any Error> {
        let host = try named ?? (PrivateEngine.canStart ? PrivateEngine.start() : "")
        guard host.hasPrefix("unix://") else {
            throw Missing(
                description: """
                    no Docker Engine for tests: run them as root with dockerd installed, or set VZCRI_TEST_DOCKER_HOST to a \
                    unix:// address
                    """)
        }
        return String(host.dropFirst("unix://".count))
    }

    /// The path of its socket; nil when there is none. The first use may wait for an engine to start.
    public static var socket: String? { try? found.get() }

    /// Whether tests that need an engine run. In CI they always do, and fail without one.
    public static var isAvailable: Bool {
        named != nil || PrivateEngine.canStart || ProcessInfo.processInfo.environment["CI"] != nil
    }

    public static let skipReason: Comment =
        "skipped, because there is no Docker Engine for tests (run scripts/test as root)"

    public struct Missing: Error, CustomStringConvertible {
        public let description: String
    }

    /// - Throws: when there is no engine although there should be: why.
    public static func requireSocket() throws -> String { try found.get() }

    /// An image with a shell and the usual small programs, made on the spot: `vzcri-test/busybox:1`.
    public static let image = "vzcri-test/busybox:1"

    private static let imported = Task<Void, any Error> {
        try await importBusybox(as: "vzcri-test/busybox", tag: "1")
    }

    /// Makes ``image`` once.
    public static func requireImage() async throws { try await imported.value }

    /// Imports an image of the host's static busybox.
    public static func importBusybox(as repository: String, tag: String) async throws {
        let socket = try requireSocket()
        try await withTemporaryDirectory { directory in
            let root = directory + "/root"
            for name in ["bin", "etc", "tmp", "proc", "dev", "sys", "root"] {
                try FileManager.default.createDirectory(atPath: "\(root)/\(name)", withIntermediateDirectories: true)
            }
            try FileManager.default.setAttributes([.posixPermissions: 0o1777], ofItemAtPath: root + "/tmp")
            guard let busybox = ["/bin/busybox", "/usr/bin/busybox"].first(where: FileManager.default.fileExists) else {
                throw Missing(description: "no busybox (apt install busybox-static)")
            }
            try FileManager.default.copyItem(atPath: busybox, toPath: root + "/bin/busybox")
            let applets = try await ChildProcess.run(busybox, ["--list"]).output.split(separator: "\n").map(String.init)
            for applet in applets where applet != "busybox" {
                try FileManager.default.createSymbolicLink(
                    atPath: "\(root)/bin/\(applet)", withDestinationPath: "busybox")
            }
            try Data("root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n".utf8).write(
                to: URL(filePath: root + "/etc/passwd"))
            try Data("root:x:0:\nnogroup:x:65534:\n".utf8).write(to: URL(filePath: root + "/etc/group"))
            let tar = try await ChildProcess.run(
                "/bin/tar", ["-C", root, "--owner=0", "--group=0", "-cf", directory + "/image.tar", "."])
            guard tar.code == 0 else { throw Missing(description: "tar: \(tar.errors)") }
            let made = try await ChildProcess.run(
                "/usr/bin/curl",
                [
                    "-sS", "--fail", "--unix-socket", socket, "-H", "Content-Type: application/x-tar", "-X", "POST",
                    "--data-binary",
                    "@\(directory)/image.tar",
                    "http://localhost/images/create?fromSrc=-&repo=\(repository)&tag=\(tag)&changes=ENV%20PATH%3D/bin&changes=CMD%20%5B%22/bin/sh%22%5D",
                ])
            guard made.code == 0 else {
                throw Missing(description: "the test image could not be made: \(made.errors) \(made.output)")
            }
        }
    }
}
