import Testing

@testable import Settings

@Suite struct ResolverTests {
    private func resolve(
        flags: [String: [String]] = [:], environment: [String: String] = [:], file: String? = nil
    ) throws -> ResolvedSettings {
        let platform = HostPlatform(system: .linux, isRoot: true, environment: environment, workingDirectory: "/here")
        let table = ShimSettings.table(for: platform)
        let contents = try file.map { try ConfigurationFile(path: "/etc/c.yaml", text: $0, tables: [table]) }
        return try Resolver(table: table, flags: flags, platform: platform, file: contents).resolve()
    }

    @Test("a flag wins over the environment, that over the file, that over the default")
    func order() throws {
        let file = "shim:\n  dockerHost: tcp://file:1\n"
        let environment = ["DOCKER_HOST": "tcp://environment:1"]
        var found = try resolve(flags: ["dockerHost": ["tcp://flag:1"]], environment: environment, file: file)[
            "dockerHost"]
        #expect(found.value == .text("tcp://flag:1"))
        #expect(found.origin == .flag("--docker-host"))
        found = try resolve(environment: environment, file: file)["dockerHost"]
        #expect(found.value == .text("tcp://environment:1"))
        #expect(found.origin == .environment("DOCKER_HOST"))
        found = try resolve(environment: ["DOCKER_HOST": ""], file: file)["dockerHost"]
        #expect(found.value == .text("tcp://file:1"))
        #expect(found.origin == .file(path: "/etc/c.yaml", line: 2))
        found = try resolve()["dockerHost"]
        #expect(found.value == .text("unix:///var/run/docker.sock"))
        #expect(found.origin == .standard)
    }

    @Test("a repeated flag makes a list; a single one may hold commas")
    func lists() throws {
        #expect(try resolve(flags: ["clientAllow": ["a", "b,c"]]).list("clientAllow") == ["a", "b,c"])
        #expect(try resolve(flags: ["clientAllow": ["a, b"]]).list("clientAllow") == ["a", "b"])
    }

    @Test(
        "a relative path counts from where it is written",
        arguments: [
            ("data", "/here/data", "/etc/data"), ("./data", "/here/data", "/etc/data"),
            ("~/data", "/h/me/data", "/h/me/data"), ("/data", "/data", "/data"),
        ])
    func paths(written: String, flag: String, file: String) throws {
        let home = ["HOME": "/h/me"]
        #expect(try resolve(flags: ["root": [written]], environment: home).text("root") == flag)
        #expect(try resolve(environment: home, file: "shim: {root: \(written)}").text("root") == file)
    }

    @Test("a flag or a variable of the wrong kind is named")
    func wrongKind() throws {
        var error = try #require(throws: SettingsError.self) { try resolve(flags: ["logLevel": ["loud"]]) }
        #expect(
            error.message
                == "--log-level must be one of trace, debug, info, notice, warning, error, critical, not \"loud\"")
        error = try #require(throws: SettingsError.self) { try resolve(environment: ["DOCKER_TLS_VERIFY": "maybe"]) }
        #expect(error.message == "DOCKER_TLS_VERIFY must be true or false, not \"maybe\"")
    }

    @Test("a value that is of the right kind and still of no use is blamed on who said it")
    func blame() throws {
        let why = "is no endpoint"
        #expect(try resolve(flags: ["listen": ["x"]]).invalid("listen", why).message == "--listen: is no endpoint")
        #expect(
            try resolve(environment: ["DOCKER_HOST": "x"]).invalid("dockerHost", why).message
                == "DOCKER_HOST: is no endpoint")
        #expect(
            try resolve(file: "shim:\n  listen: x\n").invalid("listen", why).message
                == "/etc/c.yaml:2: shim.listen: is no endpoint")
    }

    @Test("the report is a configuration file that says the same, with the origin of each line")
    func report() throws {
        let file =
            "shim:\n  pauseImage: 'yes'\n  socketGroup: docker\n  advertiseAddress: 10.0.0.1\n  clientAllow: ['a: b', c]\n"
            + "  vm:\n    memory: 8Gi\n"
        let resolved = try resolve(flags: ["root": ["data"]], environment: ["DOCKER_TLS_VERIFY": "1"], file: file)
        #expect(
            resolved.report == """
                shim:
                  listen: [unix:///run/vz-cri/cri.sock]    # default
                  socketGroup: docker                      # /etc/c.yaml:3
                  tlsCert:                                 # default
                  tlsKey:                                  # default
                  clientCA:                                # default
                  clientAllow: ["a: b", c]                 # /etc/c.yaml:5
                  advertiseAddress: "10.0.0.1"             # /etc/c.yaml:4
                  root: /here/data                         # flag --root
                  state:                                   # default
                  podLogs: /var/log/pods                   # default
                  dockerHost: unix:///var/run/docker.sock  # default
                  dockerCertPath:                          # default
                  dockerTLSVerify: true                    # environment DOCKER_TLS_VERIFY
                  pauseImage: "yes"                        # /etc/c.yaml:2
                  vmImages: []                             # default
                  pinnedImages: []                         # default
                  imageMaximumAge: 0                       # default
                  imageGCHighThreshold: 85                 # default
                  imageGCLowThreshold: 80                  # default
                  prePull:
                    images: []                             # default
                    rate:                                  # default
                    window:                                # default
                  peers:
                    addresses: []                          # default
                    listen:                                # default
                    ca:                                    # default
                    cert:                                  # default
                    key:                                   # default
                    allow: []                              # default
                    rate:                                  # default
                  registries:                              # default
                  imageCredentials:                        # default
                  guests:                                  # default
                  sshUser:                                 # default
                  sshKeyFile:                              # default
                  sshKeyBase64:                            # default
                  sshKeyPassphraseFile:                    # default
                  sshKeyPassphrase:                        # default
                  sshKexAlgorithms: []                     # default
                  sshPasswordFile:                         # default
                  sshPassword:                             # default
                  guestReadinessTimeout: 300               # default
                  guestDialTimeout: 10                     # default
                  vm:
                    cpus:                                  # default
                    memory: "8Gi"                          # /etc/c.yaml:7
                    maxCPUs:                               # default
                    maxMemory:                             # default
                    diskSize:                              # default
                    display:                               # default
                    nestedVirtualization: false            # default
                    bootArgs:                              # default
                    holdOnFailure: 0                       # default
                  vmSlots:                                 # default
                  diskReserve:                             # default
                  lazyStart: false                         # default
                  vmHost:                                  # default
                  podCIDR:                                 # default
                  cniConfDir:                              # default
                  cniBinDir: /opt/cni/bin                  # default
                  bridgeInterface:                         # default
                  logLevel: info                           # default

                """)
        let again = try resolve(file: resolved.report)
        #expect(again.entries.map(\.value) == resolved.entries.map(\.value))
    }

    @Test(
        "a time is a number of seconds or a text with units",
        arguments: [("90", 90), ("90s", 90), ("5m", 300), ("1h30m", 5400), ("1m1s", 61)])
    func times(text: String, seconds: Int) throws {
        let name = "guestReadinessTimeout"
        #expect(try resolve(environment: ["VZ_SSH_READINESS_TIMEOUT": text]).integer(name) == seconds)
        #expect(try resolve(file: "shim: {\(name): \(text)}").integer(name) == seconds)
    }

    @Test("a time that is none is refused", arguments: ["s", "5x", "m5", "1.5m", "5 m", "0s", "25h", "-3s"])
    func badTimes(text: String) throws {
        let error = try #require(throws: SettingsError.self) {
            try resolve(environment: ["VZ_SSH_READINESS_TIMEOUT": text])
        }
        #expect(error.message.hasPrefix("VZ_SSH_READINESS_TIMEOUT must be a time from 1s to 86400s"))
    }

    @Test("a list of mappings keeps its order; paths in it count from the file; its report says the same")
    func records() throws {
        let file = """
            shim:
              guests:
                - {match: "mac/*", user: admin, keyFile: mac.key}
                - name: ci
                  user: ci
                  passwordFile: ~/pw
                  match:

            """
        let resolved = try resolve(environment: ["HOME": "/h"], file: file)
        let expected = [
            ["match": "mac/*", "user": "admin", "keyFile": "/etc/mac.key"],
            ["name": "ci", "user": "ci", "passwordFile": "/h/pw"],
        ]
        #expect(resolved.records("guests") == expected)
        #expect(try resolve(file: resolved.report).records("guests") == expected)
    }

    @Test("a truth value in a list of mappings is written as anywhere else, also as the report writes it")
    func flagsInRecords() throws {
        let file = """
            shim:
              registries:
                - {host: a, plainHTTP: true}
                - {host: b, insecure: "true", plainHTTP: false}

            """
        let resolved = try resolve(file: file)
        let expected = [
            ["host": "a", "plainHTTP": "true"], ["host": "b", "insecure": "true", "plainHTTP": "false"],
        ]
        #expect(resolved.records("registries") == expected)
        #expect(try resolve(file: resolved.report).records("registries") == expected)
    }

    @Test(
        "a list of mappings with something wrong is named by its line",
        arguments: [
            (
                "guests: x", 2,
                "must be a list of mappings with the keys match, name, user, keyFile, passwordFile, passphraseFile, not \"x\""
            ),
            (
                "guests: [x]", 2,
                "must be a list of mappings with the keys match, name, user, keyFile, passwordFile, passphraseFile"
            ),
            (
                "guests: [{match: a, usr: b}]", 2,
                "unknown key \"usr\" in section \"shim.guests\"; did you mean \"user\"?"
            ),
            ("guests:\n  - match: a\n    user: [b]", 4, "user must be a text, not a list"),
            ("guests:\n  - user: b\n  - match: a", 4, "an entry has no user"),
            (
                "registries:\n  - {host: a, plainHTTP: 1}", 3,
                "shim.registries: plainHTTP must be true or false, not \"1\""
            ),
        ])
    func badRecords(text: String, line: Int, why: String) throws {
        let error = try #require(throws: SettingsError.self) { try resolve(file: "shim:\n  \(text)\n") }
        #expect(error.message.hasPrefix("/etc/c.yaml:\(line): "))
        #expect(error.message.hasSuffix(why))
    }

    @Test("a secret is never shown")
    func secrets() throws {
        let table = SettingsTable(
            section: "s",
            keys: [SettingKey("password", .integer(0...9), flag: "--password", variable: "PASSWORD", isSecret: true)])
        let platform = HostPlatform(system: .linux, isRoot: true, environment: ["PASSWORD": "7"])
        let report = try Resolver(table: table, flags: [:], platform: platform, file: nil).resolve().report
        #expect(report == "s:\n  password: \"********\"  # environment PASSWORD\n")
        let error = try #require(throws: SettingsError.self) {
            try Resolver(table: table, flags: ["password": ["geheim"]], platform: platform, file: nil).resolve()
        }
        #expect(!error.message.contains("geheim"))
        let inFile = try #require(throws: SettingsError.self) {
            try ConfigurationFile(path: "f", text: "s:\n  password: geheim\n", tables: [table])
        }
        #expect(inFile.message == "f:2: s.password must be a number from 0 to 9")
    }
}
