#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension ClusterConnection {
    /// A kubeconfig for the same cluster, in which somebody shows the certificate and key of a file.
    public func kubeconfig(showing file: String) -> String {
        var lines = [
            "apiVersion: v1", "kind: Config", "clusters:", "- name: default-cluster", "  cluster:",
            "    server: \(Self.quoted("\(server)"))",
        ]
        switch trust {
        case .system: break
        case .anybody: lines.append("    insecure-skip-tls-verify: true")
        case .authorities(.file(let path)): lines.append("    certificate-authority: \(Self.quoted(path))")
        case .authorities(.bytes(let bytes)):
            lines.append("    certificate-authority-data: \(Data(bytes).base64EncodedString())")
        }
        if let serverName { lines.append("    tls-server-name: \(Self.quoted(serverName))") }
        if let proxy {
            let login = proxy.login.map { "\(APIPath.escaped($0.user)):\(APIPath.escaped($0.password))@" } ?? ""
            let host = proxy.host.contains(":") ? "[\(proxy.host)]" : proxy.host
            let scheme = proxy.kind == .socks ? "socks5" : "http"
            lines.append("    proxy-url: \(Self.quoted("\(scheme)://\(login)\(host):\(proxy.port)"))")
        }
        lines += [
            "users:", "- name: default-auth", "  user:", "    client-certificate: \(Self.quoted(file))",
            "    client-key: \(Self.quoted(file))", "contexts:", "- name: default-context", "  context:",
            "    cluster: default-cluster", "    namespace: \(Self.quoted(namespace))", "    user: default-auth",
            "current-context: default-context", "",
        ]
        return lines.joined(separator: "\n")
    }

    /// JSON's strings are YAML's as well.
    private static func quoted(_ text: String) -> String {
        String(decoding: Value(.string(text)).jsonBytes(), as: UTF8.self)
    }
}
