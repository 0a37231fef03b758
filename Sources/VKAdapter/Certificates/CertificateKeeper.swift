import KubeAPI
import Logging
import TLS

/// Has a certificate replaced before it ends. Connections that are there go on.
struct CertificateKeeper: Sendable {
    let directory: CertificateDirectory
    let purpose: CertificateSigner.Purpose
    let signer: CertificateSigner
    /// Called when there is a new one, and with the one that is there at the start.
    var changed: @Sendable () async -> Void = {}
    /// Before a request that failed is made again; doubles, up to five minutes.
    var retry: Duration = .seconds(10)
    /// At most so long without a look at the clock: it may be set, or the machine have slept.
    var look: Duration = .seconds(600)
    var now: @Sendable () -> Timestamp = { Timestamp.now() }
    let logger: Logger

    /// Runs until the task is cancelled.
    func run() async {
        var backOff = JitteredBackOff(initial: retry, maximum: max(retry, .seconds(300)))
        var isTold = false
        while !Task.isCancelled {
            let (facts, problem) = await directory.facts()
            if let problem { logger.warning("\(problem): another is asked for") }
            if let facts, isUsable(facts) {
                if !isTold { await changed() }
                isTold = true
                let deadline = Self.deadline(facts, share: .random(in: 0.7...0.9))
                logger.debug("certificate \(directory.current) is replaced at \(deadline)")
                while now() < deadline {
                    let pause = min(max(deadline.since(now()), .milliseconds(1)), look)
                    do { try await Task.sleep(for: pause) } catch { return }
                }
            }
            do {
                try await replace()
                isTold = false
                backOff.reset()
            } catch {
                if Task.isCancelled { return }
                logger.error("cannot get a new certificate for \(directory.prefix), trying on: \(error)")
                do { try await Task.sleep(for: backOff.step()) } catch { return }
            }
        }
    }

    func replace() async throws {
        let (certificate, key) = try await signer.sign(purpose)
        try await directory.keep(certificate: certificate, key: key, now: now())
        logger.info("got a new certificate, kept as \(directory.current)")
    }

    /// Whether it is valid now, this node's, and has the names that are asked for.
    func isUsable(_ facts: CertificateFacts) -> Bool {
        let seconds = now().nanosecondsSince1970 / 1_000_000_000
        guard facts.notBefore <= seconds, seconds < facts.notAfter,
            facts.commonName == "system:node:\(signer.nodeName)"
        else { return false }
        guard case .server(let names) = purpose else { return true }
        return Set(names.map { $0.lowercased() }).isSubset(of: facts.names.map { $0.lowercased() })
    }

    /// When that share of its life is over.
    static func deadline(_ facts: CertificateFacts, share: Double) -> Timestamp {
        let life = Double(max(0, facts.notAfter - facts.notBefore))
        return Timestamp(seconds: facts.notBefore + Int64(life * share))
    }
}
