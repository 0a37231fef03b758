import KubeAPI
import Logging
import TLS

/// Asks the cluster to sign certificates, and waits until it has (`certificates.k8s.io`).
struct CertificateSigner: Sendable {
    /// What a node may ask for.
    enum Purpose: Sendable {
        case client
        /// With the names and addresses it is reached at.
        case server(names: [String])
    }

    let client: KubeClient
    let nodeName: String
    /// For the cluster to sign: a person may have to approve.
    var patience: Duration = .seconds(15 * 60)
    var poll: Duration = .milliseconds(200)
    let logger: Logger

    /// - Returns: certificate and key, PEM.
    func sign(_ purpose: Purpose) async throws -> (certificate: [UInt8], key: [UInt8]) {
        var names: [String] = []
        var order = CertificateSigningRequest()
        order.metadata.generateName = "csr-"
        switch purpose {
        case .client:
            order.spec.signerName = "kubernetes.io/kube-apiserver-client-kubelet"
            order.spec.usages = ["digital signature", "client auth"]
        case .server(let wanted):
            names = wanted
            order.spec.signerName = "kubernetes.io/kubelet-serving"
            order.spec.usages = ["digital signature", "server auth"]
        }
        let request: CertificateRequest
        do {
            request = try CertificateRequest(
                commonName: "system:node:\(nodeName)", organizations: ["system:nodes"], names: names)
        } catch {
            throw AdapterError(.failed, "cannot ask the cluster for a certificate", cause: error)
        }
        order.spec.pem = request.request
        let made = try await client.create(order, as: .certificateSigningRequests)
        logger.info("asked the cluster for a certificate", metadata: ["csr": "\(made.metadata.name)"])
        let certificate = try await wait(for: made)
        do {
            _ = try CertificateFacts(certificate: certificate, key: request.key)
        } catch {
            throw AdapterError(
                .failed, "what the cluster signed as \(made.metadata.name) is not what was asked for", cause: error)
        }
        return (certificate, request.key)
    }

    private func wait(for order: CertificateSigningRequest) async throws -> [UInt8] {
        let name = order.metadata.name
        let end = ContinuousClock.now + patience
        var pause = poll
        while true {
            do {
                let now = try await client.get(.certificateSigningRequests, name: name)
                if let no = now.status.conditions.first(where: { $0.type == "Denied" || $0.type == "Failed" }) {
                    throw AdapterError(
                        .failed, "the cluster's answer to \(name) is \(no.type): \(no.reason) \(no.message)")
                }
                if !now.status.certificate.isEmpty { return now.status.pem }
            } catch let error as KubeAPIError where error.isPermanent && !Task.isCancelled {
                throw error
            } catch let error as KubeAPIError {
                logger.debug("cannot look at \(name), trying on: \(error)")
            }
            guard ContinuousClock.now < end else {
                throw AdapterError(
                    .unavailable,
                    "nobody has signed \(name) within \(WaitingReason.goText(patience)): look at it with `kubectl get "
                        + "csr`, and approve it with `kubectl certificate approve \(name)`")
            }
            try await Task.sleep(for: pause)
            pause = min(pause * 2, .seconds(5), max(poll, .milliseconds(1)) * 64)
        }
    }
}
