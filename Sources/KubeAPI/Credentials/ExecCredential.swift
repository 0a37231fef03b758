/// What an exec plugin says (`client.authentication.k8s.io` ExecCredential).
struct ExecCredential: Sendable, Hashable {
    static let versions = ["client.authentication.k8s.io/v1", "client.authentication.k8s.io/v1beta1"]

    var token: String?
    /// PEM.
    var certificates: [UInt8]?
    /// PEM.
    var key: [UInt8]?
    /// `nil`: good until it is refused.
    var expires: Timestamp?

    /// - Parameter output: what the plugin wrote to its standard output, JSON.
    init(parsing output: [UInt8], from plugin: ExecPlugin) throws(KubeAPIError) {
        func failure(_ reason: String) -> KubeAPIError {
            KubeAPIError(.failed, "the credential plugin \(plugin.command) \(reason): see its own documentation")
        }
        let value: Value
        do {
            value = try JSONReader.read(output)
        } catch {
            // The output itself may hold a secret.
            throw failure("printed something that is no ExecCredential (\(error.reason))")
        }
        guard value["kind"]?.string == "ExecCredential", value["apiVersion"]?.string == plugin.apiVersion else {
            throw failure("did not answer with an ExecCredential of \(plugin.apiVersion)")
        }
        guard let status = value["status"] else { throw failure("answered without a status") }
        token = status["token"]?.string.flatMap { $0.isEmpty ? nil : $0 }
        certificates = status["clientCertificateData"]?.string.map { Array($0.utf8) }
        key = status["clientKeyData"]?.string.map { Array($0.utf8) }
        guard token != nil || certificates != nil else { throw failure("gave neither a token nor a certificate") }
        guard (certificates == nil) == (key == nil) else {
            throw failure("gave a certificate without its key, or a key alone")
        }
        if let text = status["expirationTimestamp"]?.string {
            guard let time = Timestamp(rfc3339: text) else {
                throw failure("gave an expirationTimestamp that is no time")
            }
            expires = time
        }
    }

    /// The question, as the plugin finds it in `KUBERNETES_EXEC_INFO`.
    static func question(for plugin: ExecPlugin) -> String {
        var spec = [Member("interactive", Value(.bool(false)))]
        if let cluster = plugin.cluster { spec.append(Member("cluster", cluster)) }
        let value = Value(
            .object([
                Member("kind", Value(.string("ExecCredential"))),
                Member("apiVersion", Value(.string(plugin.apiVersion))),
                Member("spec", Value(.object(spec))),
            ]))
        return String(decoding: value.jsonBytes(), as: UTF8.self)
    }
}
