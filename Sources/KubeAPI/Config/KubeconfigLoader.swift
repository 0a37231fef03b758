import HostFiles

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Reads kubeconfig files into a ``ClusterConnection``. Blocks.
public struct KubeconfigLoader: Sendable {
    /// In the order of preference: of two entries of one name the first file's counts (client-go's rule for `KUBECONFIG`).
    private let paths: [String]
    private let context: String?

    /// - Parameters:
    ///   - paths: one or more, separated by colons.
    ///   - context: the one to use instead of the file's `current-context`.
    public init(paths: String, context: String? = nil) {
        self.paths = paths.split(separator: ":").map(String.init)
        self.context = context
    }

    /// - Throws: `invalidArgument` with what is wrong, where, and what to do.
    public func load() throws(KubeAPIError) -> ClusterConnection {
        var files: [(path: String, config: Kubeconfig)] = []
        for path in paths {
            if let config = try Self.read(path) { files.append((path, config)) }
        }
        guard !files.isEmpty else {
            throw KubeAPIError(
                .invalidArgument, "there is no kubeconfig at \(paths.joined(separator: " or ")): name another")
        }
        func find<Part>(
            _ list: KeyPath<Kubeconfig, [Kubeconfig.Named]>, _ name: String, _ part: KeyPath<Kubeconfig.Named, Part?>
        )
            -> (path: String, part: Part)?
        {
            for file in files {
                if let found = file.config[keyPath: list].first(where: { $0.name == name })?[keyPath: part] {
                    return (file.path, found)
                }
            }
            return nil
        }
        let all = files.map(\.path).joined(separator: ", ")
        guard let name = context ?? files.lazy.map(\.config.currentContext).first(where: { !$0.isEmpty }) else {
            throw KubeAPIError(.invalidArgument, "\(all): no current-context says which cluster is meant: set one")
        }
        guard let context = find(\.contexts, name, \.context) else {
            throw KubeAPIError(.invalidArgument, "\(all): there is no context \"\(name)\"")
        }
        guard let cluster = find(\.clusters, context.part.cluster, \.cluster) else {
            throw KubeAPIError(
                .invalidArgument,
                "\(context.path): context \"\(name)\" names a cluster \"\(context.part.cluster)\" that is not there")
        }
        var connection = try Self.connection(cluster.part, file: cluster.path)
        if !context.part.namespace.isEmpty { connection.namespace = context.part.namespace }
        if !context.part.user.isEmpty {
            guard let user = find(\.users, context.part.user, \.user) else {
                throw KubeAPIError(
                    .invalidArgument,
                    "\(context.path): context \"\(name)\" names a user \"\(context.part.user)\" that is not there")
            }
            try Self.add(user.part, file: user.path, cluster: cluster.part, to: &connection)
        }
        return connection
    }

    private static func read(_ path: String) throws(KubeAPIError) -> Kubeconfig? {
        let bytes: [UInt8]?
        do {
            bytes = try SmallFile.read(path)
        } catch {
            throw KubeAPIError(.invalidArgument, "the kubeconfig cannot be read", cause: error)
        }
        guard let bytes else { return nil }
        do throws(DecodingIssue) {
            guard let value = try YAMLReader.read(String(decoding: bytes, as: UTF8.self)) else { return Kubeconfig() }
            return try Kubeconfig(value)
        } catch {
            throw Documents.error(path, error.line, error.description)
        }
    }

    // MARK: The cluster

    private static func connection(_ cluster: Kubeconfig.Cluster, file: String) throws(KubeAPIError)
        -> ClusterConnection
    {
        var connection = ClusterConnection(server: try server(cluster.server, file: file))
        if !cluster.serverName.isEmpty { connection.serverName = cluster.serverName }
        if !cluster.proxy.isEmpty { connection.proxy = try proxy(cluster.proxy, file: file) }
        let authority = try material(cluster.authorityData, cluster.authorityFile, "certificate-authority", file: file)
        if cluster.skipsVerification {
            guard authority == nil else {
                throw KubeAPIError(
                    .invalidArgument,
                    "\(file): insecure-skip-tls-verify and certificate-authority cannot both be meant: remove one")
            }
            connection.trust = .anybody
        } else if let authority {
            connection.trust = .authorities(authority)
        }
        return connection
    }

    static func server(_ text: String, file: String) throws(KubeAPIError) -> ClusterConnection.Server {
        guard let url = URL(string: text.contains("://") ? text : "http://" + text), let host = url.host(),
            let scheme = url.scheme, ["http", "https"].contains(scheme), url.user() == nil, url.query() == nil
        else {
            throw KubeAPIError(.invalidArgument, "\(file): server \"\(text)\" is no address like https://HOST:6443")
        }
        var path = url.path()
        while path.hasSuffix("/") { path.removeLast() }
        let isEncrypted = scheme == "https"
        return ClusterConnection.Server(
            isEncrypted: isEncrypted, host: host, port: url.port ?? (isEncrypted ? 443 : 80), path: path)
    }

    static func proxy(_ text: String, file: String) throws(KubeAPIError) -> ClusterConnection.Proxy {
        guard let url = URL(string: text), let host = url.host(), let scheme = url.scheme,
            ["http", "socks5", "socks5h"].contains(scheme), url.path().isEmpty || url.path() == "/"
        else {
            // Not shown: it may have a password.
            throw KubeAPIError(
                .invalidArgument, "\(file): proxy-url is no address like http://HOST:3128 or socks5://HOST:1080")
        }
        let isSOCKS = scheme != "http"
        let login = url.user(percentEncoded: false).map {
            ClusterConnection.Login(user: $0, password: url.password(percentEncoded: false) ?? "")
        }
        if isSOCKS, login != nil {
            throw KubeAPIError(.invalidArgument, "\(file): proxy-url: a SOCKS proxy with a password is not supported")
        }
        return ClusterConnection.Proxy(
            kind: isSOCKS ? .socks : .http, host: host, port: url.port ?? (isSOCKS ? 1080 : 80), login: login)
    }

    // MARK: The user

    private static func add(
        _ user: Kubeconfig.User, file: String, cluster: Kubeconfig.Cluster, to connection: inout ClusterConnection
    ) throws(KubeAPIError) {
        if user.provider != nil {
            throw KubeAPIError(
                .invalidArgument,
                "\(file): auth-provider is gone from Kubernetes: use the provider's exec plugin instead")
        }
        let certificate = try material(user.certificateData, user.certificateFile, "client-certificate", file: file)
        let key = try material(user.keyData, user.keyFile, "client-key", file: file)
        switch (certificate, key) {
        case (nil, nil): break
        case (let certificate?, let key?): connection.certificate = .init(certificates: certificate, key: key)
        default:
            throw KubeAPIError(
                .invalidArgument, "\(file): client-certificate and client-key go together: one is missing")
        }
        // The file's token is the newer one (client-go).
        if !user.tokenFile.isEmpty {
            connection.bearer = .tokenFile(resolved(user.tokenFile, beside: file))
        } else if !user.token.isEmpty {
            connection.bearer = .token(user.token)
        } else if !user.username.isEmpty {
            connection.bearer = .basic(.init(user: user.username, password: user.password))
        }
        if let exec = user.exec {
            guard connection.bearer == nil else {
                throw KubeAPIError(
                    .invalidArgument, "\(file): exec and a token or password cannot both be meant: remove one")
            }
            connection.bearer = .plugin(try plugin(exec, file: file, cluster: cluster))
        }
    }

    private static func plugin(
        _ exec: Kubeconfig.Exec, file: String, cluster: Kubeconfig.Cluster
    ) throws(KubeAPIError) -> ExecPlugin {
        guard ExecCredential.versions.contains(exec.apiVersion) else {
            throw KubeAPIError(
                .invalidArgument,
                "\(file): exec.apiVersion \"\(exec.apiVersion)\" is not one of \(ExecCredential.versions.joined(separator: ", "))"
            )
        }
        guard !exec.command.isEmpty else { throw KubeAPIError(.invalidArgument, "\(file): exec names no command") }
        guard exec.interactiveMode != "Always" else {
            throw KubeAPIError(
                .invalidArgument,
                "\(file): exec.interactiveMode Always: a daemon has no terminal; use other credentials")
        }
        var plugin = ExecPlugin(apiVersion: exec.apiVersion, command: exec.command, arguments: exec.args)
        // A relative path is beside the file; a bare name is looked up by PATH.
        if exec.command.contains("/") { plugin.command = resolved(exec.command, beside: file) }
        plugin.environment = Dictionary(exec.env.map { ($0.name, $0.value) }) { _, last in last }
        plugin.installHint = exec.installHint
        plugin.wantsCluster = exec.provideClusterInfo
        if exec.provideClusterInfo {
            var members = [Member("server", Value(.string(cluster.server)))]
            if !cluster.serverName.isEmpty {
                members.append(Member("tls-server-name", Value(.string(cluster.serverName))))
            }
            if cluster.skipsVerification { members.append(Member("insecure-skip-tls-verify", Value(.bool(true)))) }
            if !cluster.authorityData.isEmpty {
                members.append(Member("certificate-authority-data", Value(.string(cluster.authorityData))))
            }
            if !cluster.proxy.isEmpty { members.append(Member("proxy-url", Value(.string(cluster.proxy)))) }
            plugin.cluster = Value(.object(members))
        }
        return plugin
    }

    // MARK: Files

    /// Data wins over a file of the same thing (client-go).
    private static func material(
        _ data: String, _ path: String, _ name: String, file: String
    ) throws(KubeAPIError) -> ClusterConnection.Material? {
        if !data.isEmpty {
            guard let decoded = Data(base64Encoded: data, options: .ignoreUnknownCharacters) else {
                throw KubeAPIError(.invalidArgument, "\(file): \(name)-data is no base64")
            }
            return .bytes(Array(decoded))
        }
        return path.isEmpty ? nil : .file(resolved(path, beside: file))
    }

    private static func resolved(_ path: String, beside file: String) -> String {
        if path.hasPrefix("/") { return path }
        let directory = file.lastIndex(of: "/").map { file[...$0] } ?? ""
        return directory + path
    }
}
