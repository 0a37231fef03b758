import FoundationEssentials
import HostFiles
import Logging
import NIOPosix
import Processes

/// Credentials in a Docker configuration file, and in the helpers it names.
struct CredentialFile: Sendable {
    private static let sizeLimit = 4 << 20

    struct Entry: Codable {
        var auth: String?
        var username: String?
        var password: String?
        var identitytoken: String?
        var registrytoken: String?
    }

    struct Content: Codable {
        var auths: [String: Entry]?
        var credHelpers: [String: String]?
        var credsStore: String?
    }

    struct Answer: Codable {
        var Username: String
        var Secret: String
    }

    let path: String
    /// Where helpers are found.
    var helper: @Sendable (String) throws -> String = { try Executables.find("docker-credential-\($0)") }

    /// What the file says for a repository; nil when nothing.
    ///
    /// - Parameters:
    ///   - registry: as an image's name has it.
    ///   - repository: entries may be for a part of a registry: the longest that fits counts.
    func credentials(registry: String, repository: String) async throws -> RegistryCredentials? {
        let content = try await read()
        let wanted = RegistryCredentials.authority(registry)
        if let (key, name) = content.credHelpers?.first(where: { RegistryCredentials.authority($0.key) == wanted }) {
            return try await ask(name, for: key)
        }
        let matches = (content.auths ?? [:]).filter { key, _ in
            guard RegistryCredentials.authority(key) == wanted else { return false }
            let path = Self.path(of: key)
            return path.isEmpty || repository == path || repository.hasPrefix(path + "/")
        }
        if let (_, entry) = matches.max(by: { Self.path(of: $0.key).utf8.count < Self.path(of: $1.key).utf8.count }),
            let found = try credentials(entry, for: registry)
        {
            return found
        }
        guard let store = content.credsStore, !store.isEmpty else { return nil }
        return try await ask(store, for: wanted == "docker.io" ? "https://index.docker.io/v1/" : wanted)
    }

    /// Below the registry; Docker's own keys end in the version of an interface that is no part of a name.
    private static func path(of key: String) -> String {
        let start = key.firstRange(of: "://")?.upperBound ?? key.startIndex
        let parts = key[start...].split(separator: "/").dropFirst()
        return parts.count == 1 && ["v1", "v2"].contains(parts.first) ? "" : parts.joined(separator: "/")
    }

    private func credentials(_ entry: Entry, for registry: String) throws -> RegistryCredentials? {
        do {
            return try RegistryCredentials(
                user: entry.username ?? "", password: entry.password ?? "", auth: entry.auth ?? "",
                identityToken: entry.identitytoken ?? "", registryToken: entry.registrytoken ?? "")
        } catch {
            throw RegistryError(error.code, "\(path), the entry for \(registry): \(error.message)")
        }
    }

    private func read() async throws -> Content {
        let bytes = try await NIOThreadPool.singleton.runIfActive { [path] in
            try SmallFile.read(path, limit: Self.sizeLimit)
        }
        guard let bytes else {
            throw RegistryError(.failed, "the file with credentials \(path) is not there")
        }
        do {
            return try JSONDecoder().decode(Content.self, from: Data(bytes))
        } catch {
            // The decoder's own words may show a part of the file.
            throw RegistryError(.failed, "the file with credentials \(path) is no Docker configuration file")
        }
    }

    private func ask(_ name: String, for server: String) async throws -> RegistryCredentials? {
        guard !name.isEmpty, name.utf8.allSatisfy({ $0 > 0x20 && $0 != UInt8(ascii: "/") && $0 < 0x7f }) else {
            throw RegistryError(.failed, "\(path) names a credential helper \"\(name)\", which is no name of a program")
        }
        let result: CommandResult
        do {
            result = try await Command.run(try helper(name), ["get"], input: Array(server.utf8), limit: 64 << 10)
        } catch let error as ProcessError {
            throw RegistryError(.failed, "the credential helper \(name) of \(path) cannot be run", cause: error)
        }
        guard result.end.isSuccess else {
            // That it has none it says on its standard output.
            if result.text.contains("credentials not found") { return nil }
            throw RegistryError(
                .failed, "the credential helper \(name) of \(path) failed for \(server) (\(result.end)): run it by hand"
            )
        }
        guard let answer = try? JSONDecoder().decode(Answer.self, from: Data(result.output)) else {
            throw RegistryError(.failed, "the credential helper \(name) of \(path) did not answer with credentials")
        }
        return try RegistryCredentials(user: answer.Username, password: answer.Secret)
    }
}
