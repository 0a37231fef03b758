import Foundation
import Proto
import Support
import Testing

/// What a user sees when something is wrong: one line that says what to do, an exit code, and nothing changed.
@Suite(.enabled(if: DockerEngine.isAvailable, DockerEngine.skipReason)) struct ShimFaultTests {
    private func start(_ directory: String, _ arguments: String..., environment: [String: String] = [:]) async throws
        -> ChildProcess.Outcome
    {
        try await Programs.run(
            "cri-shim", ["serve", "--root", directory + "/state"] + arguments, environment: environment)
    }

    private func write(_ text: String, to path: String) throws { try Data(text.utf8).write(to: URL(filePath: path)) }

    @Test func `a wrong configuration file is named with its line`() async throws {
        try await withTemporaryDirectory { directory in
            let file = directory + "/config.yaml"
            for (text, expected) in [
                ("shim:\n  lisen: unix:///tmp/x\n", ["\(file):2", "lisen", "listen"]),
                ("shim:\n  listen: [unix:///tmp/x\n", [file, "YAML"]),
                ("shim:\n  logLevel: loud\n", ["\(file):2", "loud"]),
                ("shimm:\n  root: /x\n", ["\(file):1", "shimm"]),
            ] {
                try write(text, to: file)
                let before = try snapshot(directory)
                let outcome = try await start(directory, "--config", file, "--listen", "unix://\(directory)/s")
                expectOneLine(outcome, "cri-shim", code: 78)
                for part in expected { #expect(outcome.errors.contains(part), "\(outcome.errors)") }
                let after = try snapshot(directory)
                #expect(after == before)
            }
        }
    }

    @Test func `a configuration file that is not there or cannot be read is named`() async throws {
        try await withTemporaryDirectory { directory in
            let missing = try await start(directory, "--config", directory + "/none.yaml")
            expectOneLine(missing, "cri-shim", code: 78, "\(directory)/none.yaml", "No such file")
            let unreadable = try await start(directory, "--config", directory)
            expectOneLine(unreadable, "cri-shim", code: 78, directory)
            #expect(try snapshot(directory).isEmpty)
        }
    }

    @Test func `wrong flags are a usage error`() async throws {
        try await withTemporaryDirectory { directory in
            let unknown = try await start(directory, "--lisen", "unix:///tmp/x")
            #expect(unknown.code == 64)
            #expect(unknown.errors.contains("--lisen"))
            let endpoint = try await start(directory, "--listen", "ftp://x", "--config", "/dev/null")
            #expect(endpoint.code == 78 || endpoint.code == 64, "\(endpoint.code)")
            #expect(endpoint.errors.contains("ftp://x"))
            #expect(try snapshot(directory).isEmpty)
        }
    }

    @Test func `TCP without certificates is refused`() async throws {
        try await withTemporaryDirectory { directory in
            let outcome = try await start(directory, "--listen", "tcp://127.0.0.1:0", "--config", "/dev/null")
            #expect(outcome.code != 0)
            #expect(outcome.errors.contains("--tls-cert"), "\(outcome.errors)")
            #expect(try snapshot(directory).isEmpty)
        }
    }

    @Test func `a socket or root in use is named, and who uses it is not disturbed`() async throws {
        try await ShimProcess.with { shim in
            let before = try snapshot(shim.directory + "/state")
            let socket = try await Programs.run(
                "cri-shim",
                [
                    "serve", "--root", shim.directory + "/other", "--listen", "unix://\(shim.socket)", "--config",
                    "/dev/null",
                ])
            expectOneLine(socket, "cri-shim", code: 1, shim.socket, "another instance")
            let root = try await Programs.run(
                "cri-shim",
                [
                    "serve", "--root", shim.directory + "/state", "--listen", "unix://\(shim.directory)/s2", "--config",
                    "/dev/null",
                ])
            expectOneLine(root, "cri-shim", code: 1, shim.directory + "/state", "--root")
            let after = try snapshot(shim.directory + "/state")
            #expect(after == before)
            _ = try await shim.call(CRI.RuntimeService.version, .init())
        }
    }

    @Test func `a path too long for a socket is refused before anything is made`() async throws {
        try await withTemporaryDirectory { directory in
            let path = directory + "/" + String(repeating: "x", count: 120)
            let outcome = try await start(directory, "--listen", "unix://\(path)", "--config", "/dev/null")
            expectOneLine(outcome, "cri-shim", code: 1, path, "Choose a shorter directory")
            #expect(try snapshot(directory).isEmpty)
        }
    }

    @Test func `an unknown image is told by its name`() async throws {
        try await ShimProcess.with { shim in
            let pull = try await Programs.run(
                "cri-shim", ["ctl", "pull", "--endpoint", "unix://\(shim.socket)", "127.0.0.1:1/no/such:image"])
            #expect(pull.code == 1)
            #expect(pull.errors.contains("127.0.0.1:1/no/such:image"), "\(pull.errors)")
            let lines = pull.errors.split(separator: "\n")
            #expect(lines.count == 1, "\(pull.errors)")
        }
    }

    @Test func `without an engine the shim serves, says what is wrong, and recovers`() async throws {
        try await withTemporaryDirectory { directory in
            let link = directory + "/docker.sock"
            let child = try Programs.start(
                "cri-shim",
                [
                    "serve", "--root", directory + "/state", "--listen", "unix://\(directory)/s", "--docker-host",
                    "unix://\(link)",
                    "--config", "/dev/null",
                ])
            let shim = ["--endpoint", "unix://\(directory)/s"]
            try await eventually("it serves") {
                try await Programs.run("cri-shim", ["ctl", "version"] + shim).code == 0
            }
            let info = try await Programs.run("cri-shim", ["ctl", "info"] + shim)
            #expect(info.output.contains("cannot be reached"), "\(info.output)")
            #expect(info.output.contains(link))
            for part in ["No such file or directory", "start Docker", "--docker-host"] {
                #expect(child.errors.contains(part))
            }
            // The engine comes.
            try FileManager.default.createSymbolicLink(
                atPath: link, withDestinationPath: try DockerEngine.requireSocket())
            try await eventually("the shim finds it") {
                try await !Programs.run("cri-shim", ["ctl", "info"] + shim).output.contains("cannot be reached")
            }
            child.send(SIGTERM)
            let outcome = await child.wait()
            #expect(outcome.code == 0)
        }
    }
}
