import Support
import Testing

@testable import Settings

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite struct ConfigurationTests {
    private func platform(
        _ system: HostPlatform.System = .linux, isRoot: Bool = true, _ environment: [String: String] = [:],
        existing: Set<String> = []
    ) -> HostPlatform {
        HostPlatform(system: system, isRoot: isRoot, environment: environment, exists: { existing.contains($0) })
    }

    @Test("each platform has its places")
    func places() {
        let root = platform()
        #expect(root.rootDirectory == "/var/lib/vz-cri")
        #expect(root.socketPath == "/run/vz-cri/cri.sock")
        #expect(root.configurationFile == "/etc/vz-cri/config.yaml")
        #expect(root.podLogsDirectory == "/var/log/pods")
        #expect(root.dockerHost == "unix:///var/run/docker.sock")

        let user = platform(.linux, isRoot: false, ["HOME": "/h/me", "XDG_RUNTIME_DIR": "/run/user/7"])
        #expect(user.rootDirectory == "/h/me/.local/share/vz-cri")
        #expect(user.socketPath == "/run/user/7/vz-cri/cri.sock")
        #expect(user.configurationFile == "/h/me/.config/vz-cri/config.yaml")
        let bare = platform(.linux, isRoot: false, ["HOME": "/h/me"])
        #expect(bare.socketPath == "/h/me/.local/share/vz-cri/run/cri.sock")

        let mac = platform(.macOS, isRoot: false, ["HOME": "/u/me"])
        #expect(mac.rootDirectory == "/u/me/.vz-cri")
        #expect(mac.socketPath == "/u/me/.vz-cri/run/cri.sock")
        #expect(mac.configurationFile == "/u/me/.vz-cri/config.yaml")
        #expect(mac.podLogsDirectory == "/u/me/Library/Logs/vz-cri/pods")
    }

    @Test("the Docker Engine of the user is preferred where there is one")
    func engines() {
        let mac = ["HOME": "/u/me"]
        #expect(platform(.macOS, isRoot: false, mac).dockerHost == "unix:///var/run/docker.sock")
        let desktop = "/u/me/.docker/run/docker.sock"
        #expect(platform(.macOS, isRoot: false, mac, existing: [desktop]).dockerHost == "unix://\(desktop)")
        let rootless = ["XDG_RUNTIME_DIR": "/run/user/7"]
        #expect(
            platform(.linux, isRoot: false, rootless, existing: ["/run/user/7/docker.sock"]).dockerHost
                == "unix:///run/user/7/docker.sock")
    }

    @Test("variables of the other daemon, and of what does not exist yet, are named")
    func warnings() {
        let environment = [
            "KUBECONFIG": "x", "VKUBELET_TAINT_KEY": "x", "DOCKER_HOST": "x", "VZ_SSH_USER": "x",
            "VZ_SSH_SOMETHING": "x", "OTEL_SERVICE_NAME": "x", "VZ_POSTSTART_TIMEOUT": "5s",
            "PATH": "x", "APISERVER_CA_CERT_LOCATION": "",
        ]
        #expect(
            Configuration.warnings(section: ShimSettings.section, platform: platform(.linux, environment)) == [
                "KUBECONFIG is a variable of vk-adapter and has no effect here",
                "OTEL_SERVICE_NAME has no effect yet",
                "VKUBELET_TAINT_KEY is a variable of vk-adapter and has no effect here",
                "VZ_POSTSTART_TIMEOUT is a variable of vk-adapter and has no effect here",
                "VZ_SSH_SOMETHING has no effect yet",
            ])
        #expect(
            Configuration.warnings(section: AdapterSettings.section, platform: platform(.linux, environment)) == [
                "DOCKER_HOST is a variable of cri-shim and has no effect here",
                "VZ_SSH_SOMETHING is a variable of cri-shim and has no effect here",
                "VZ_SSH_USER is a variable of cri-shim and has no effect here",
            ])
    }

    @Test("a named file must be readable; the platform's own may be absent")
    func files() throws {
        let absent = try #require(throws: SettingsError.self) {
            try Configuration.load(section: "shim", file: "/nonexistent/c.yaml", flags: [:], platform: platform())
        }
        #expect(
            absent.message == "cannot read the configuration file /nonexistent/c.yaml: No such file or directory")
        let settings = ShimSettings(
            try Configuration.load(section: "shim", file: nil, flags: [:], platform: platform()))
        #expect(settings.listen == ["unix:///run/vz-cri/cri.sock"])
        #expect(settings.root == "/var/lib/vz-cri")
        let directory = try #require(throws: SettingsError.self) {
            try Configuration.load(section: "shim", file: "/", flags: [:], platform: platform())
        }
        #expect(directory.message == "cannot read the configuration file /: Is a directory")
    }

    @Test("a typing error in the other daemon's section is found too")
    func otherSection() throws {
        let error = try #require(throws: SettingsError.self) {
            try ConfigurationFile(
                path: "c", text: "adapter: {kubeletport: 1}\n",
                tables: [ShimSettings.table(for: platform()), AdapterSettings.table(for: platform())])
        }
        #expect(
            error.message == "c:1: unknown key \"kubeletport\" in section \"adapter\"; did you mean \"kubeletPort\"?")
    }

    @Test("no two keys of a table share a name, a flag or a variable", arguments: ["shim", "adapter"])
    func tables(section: String) {
        let table = section == "shim" ? ShimSettings.table(for: platform()) : AdapterSettings.table(for: platform())
        #expect(Set(table.keys.map(\.name)).count == table.keys.count)
        #expect(Set(table.keys.compactMap(\.flag)).count == table.keys.compactMap(\.flag).count)
        #expect(Set(table.keys.compactMap(\.variable)).count == table.keys.compactMap(\.variable).count)
    }
}
