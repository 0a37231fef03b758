import Support
import Testing

@testable import Settings

private let platform = HostPlatform(system: .linux, isRoot: true, environment: [:], workingDirectory: "/here")
private let tables = [ShimSettings.table(for: platform), AdapterSettings.table(for: platform)]

private func read(_ text: String) throws(SettingsError) -> ConfigurationFile {
    try ConfigurationFile(path: "/etc/c.yaml", text: text, tables: tables)
}

@Suite struct ConfigurationFileTests {
    @Test("every kind of value is read, with its line")
    func values() throws {
        let file = try read(
            """
            # a comment
            shim:
              listen: [unix:///run/a.sock, tcp://0.0.0.0:7443]
              clientAllow: adapter
              dockerTLSVerify: true
              root: /data
            adapter:
              kubeletPort: 10260
              logLevel: debug
              nodeName: "1234"
            """)
        #expect(file.entries["shim"]?["listen"]?.value == .list(["unix:///run/a.sock", "tcp://0.0.0.0:7443"]))
        #expect(file.entries["shim"]?["clientAllow"]?.value == .list(["adapter"]))
        #expect(file.entries["shim"]?["dockerTLSVerify"]?.value == .boolean(true))
        #expect(file.entries["shim"]?["root"]?.line == 6)
        #expect(file.entries["adapter"]?["kubeletPort"]?.value == .integer(10260))
        #expect(file.entries["adapter"]?["nodeName"]?.value == .text("1234"))
    }

    @Test("keys of a mapping in a section are read, and faults in it named")
    func groups() throws {
        let file = try read("shim:\n  vm:\n    cpus: 4\n    memory: 8Gi\n    holdOnFailure: 30m\n  root: /r\n")
        #expect(file.entries["shim"]?["vm.cpus"]?.value == .integer(4))
        #expect(file.entries["shim"]?["vm.cpus"]?.line == 3)
        #expect(file.entries["shim"]?["vm.memory"]?.value == .text("8Gi"))
        #expect(file.entries["shim"]?["vm.holdOnFailure"]?.value == .integer(1800))
        #expect(file.entries["shim"]?["root"]?.value == .text("/r"))
        #expect(try read("shim:\n  vm:\n").entries["shim"]?.isEmpty == true)
        for (text, message) in [
            (
                "shim:\n  vm:\n    cpu: 4\n",
                "/etc/c.yaml:3: unknown key \"cpu\" in section \"shim.vm\"; did you mean \"cpus\"?"
            ),
            ("shim:\n  vm: 4\n", "/etc/c.yaml:2: shim.vm must be a mapping of keys to values"),
            (
                "shim:\n  vm:\n    cpus: many\n",
                "/etc/c.yaml:3: shim.vm.cpus must be a number from 1 to 4096, not \"many\""
            ),
        ] {
            let error = #expect(throws: SettingsError.self) { try read(text) }
            #expect("\(error?.message ?? "")" == message)
        }
        let dotted = #expect(throws: SettingsError.self) { try read("shim:\n  vm.cpus: 4\n") }
        #expect(dotted?.message.contains("unknown key \"vm.cpus\"") == true)
    }

    @Test(
        "an empty file, an empty section and an empty value say nothing",
        arguments: ["", "# only this\n", "shim:\n", "shim:\n  root:\n", "---\n"])
    func nothing(text: String) throws {
        #expect(try read(text).entries.values.allSatisfy(\.isEmpty))
    }

    @Test(
        "what is wrong is said in one line, with the place",
        arguments: [
            (
                "shim:\n  dockerhost: x\n",
                "/etc/c.yaml:2: unknown key \"dockerhost\" in section \"shim\"; did you mean \"dockerHost\"?"
            ),
            (
                "shim:\n  docker-host: x\n",
                "/etc/c.yaml:2: unknown key \"docker-host\" in section \"shim\"; did you mean \"dockerHost\"?"
            ),
            ("\nshims:\n  root: x\n", "/etc/c.yaml:2: unknown section \"shims\"; did you mean \"shim\"?"),
            ("kubelet:\n  root: x\n", "/etc/c.yaml:1: unknown section \"kubelet\"; known: shim, adapter"),
            (
                "adapter:\n  kubeletPort: many\n",
                "/etc/c.yaml:2: adapter.kubeletPort must be a number from 0 to 65535, not \"many\""
            ),
            (
                "adapter:\n  kubeletPort: 70000\n",
                "/etc/c.yaml:2: adapter.kubeletPort must be a number from 0 to 65535, not \"70000\""
            ),
            (
                "adapter:\n  kubeletPort: [1]\n",
                "/etc/c.yaml:2: adapter.kubeletPort must be a number from 0 to 65535, not a list"
            ),
            ("adapter:\n  standalone: 3\n", "/etc/c.yaml:2: adapter.standalone must be true or false, not \"3\""),
            ("shim:\n  root: true\n", "/etc/c.yaml:2: shim.root must be a path, not \"true\""),
            ("shim:\n  root:\n    a: b\n", "/etc/c.yaml:3: shim.root must be a path, not a mapping"),
            ("shim:\n  listen:\n    - a: b\n", "/etc/c.yaml:3: shim.listen must be a list of texts, not a list"),
            (
                "shim:\n  logLevel: loud\n",
                "/etc/c.yaml:2: shim.logLevel must be one of trace, debug, info, notice, warning, error, critical, not \"loud\""
            ),
            ("- a\n", "/etc/c.yaml:1: must be a mapping with the sections \"shim\" and \"adapter\""),
            ("shim: 3\n", "/etc/c.yaml:1: \"shim\" must be a mapping of keys to values"),
            ("shim:\n  root: /a\n  root: /b\n", "/etc/c.yaml:2: the same key twice: root"),
        ])
    func errors(text: String, message: String) throws {
        let error = try #require(throws: SettingsError.self) { try read(text) }
        #expect(error.message == message)
    }

    @Test(
        "what is no YAML is said in one line, with the place",
        arguments: ["shim:\n  root: \"/a\n", "shim: [\n", "a: b: c\n", "\tx: 1\n", "shim: *nobody\n"])
    func noYAML(text: String) throws {
        let error = try #require(throws: SettingsError.self) { try read(text) }
        #expect(error.message.hasPrefix("/etc/c.yaml:"))
        #expect(error.message.contains("not YAML"))
        #expect(!error.message.contains("\n"))
    }
}
