import KubeAPI
import Sockets

extension DaemonSetup {
    /// What `/configz` shows (`kubelet.config.k8s.io/v1beta1`): of what a kubelet's tools ask for, what holds here.
    var shownConfiguration: Value {
        var object = ObjectBuilder()
        object.add("enableServer", Value(.bool(configuration.kubeletAddress != nil)))
        if let path = configuration.podManifestPath { object.add("staticPodPath", path) }
        object.add("syncFrequency", Self.text(configuration.relistInterval))
        if let address = configuration.kubeletAddress, case .tcp(let host, let port) = address {
            object.add("address", host)
            object.add("port", UInt64(port))
        }
        if let file = configuration.kubeletCertificateFile { object.add("tlsCertFile", file) }
        if let file = configuration.kubeletKeyFile { object.add("tlsPrivateKeyFile", file) }
        let lifetimes = configuration.reviewLifetimes
        var certificates = ObjectBuilder()
        if let file = configuration.kubeletClientCAFile { certificates.add("clientCAFile", file) }
        var tokens = ObjectBuilder()
        tokens.add("enabled", Value(.bool(configuration.reviewsTokens && configuration.cluster != nil)))
        tokens.add("cacheTTL", Self.text(lifetimes.token))
        var authentication = ObjectBuilder()
        authentication.add("x509", certificates.value)
        authentication.add("webhook", tokens.value)
        authentication.add("anonymous", Value(.object([Member("enabled", Value(.bool(false)))])))
        object.add("authentication", authentication.value)
        var webhook = ObjectBuilder()
        webhook.add("cacheAuthorizedTTL", Self.text(lifetimes.allowed))
        webhook.add("cacheUnauthorizedTTL", Self.text(lifetimes.denied))
        var authorization = ObjectBuilder()
        authorization.add("mode", configuration.cluster == nil ? "AlwaysAllow" : "Webhook")
        authorization.add("webhook", webhook.value)
        object.add("authorization", authorization.value)
        if !configuration.clusterDomain.isEmpty { object.add("clusterDomain", configuration.clusterDomain) }
        if !configuration.clusterDNS.isEmpty { object.add("clusterDNS", configuration.clusterDNS.encodedAlways()) }
        object.add("maxPods", UInt64(clamping: configuration.maximumPods))
        object.add("resolvConf", configuration.resolvConf)
        object.add("containerRuntimeEndpoint", "\(configuration.runtime)")
        object.add("podLogsDir", configuration.logRoot)
        object.add("enableSystemLogHandler", Value(.bool(configuration.nodeLogDirectory != nil)))
        object.add("enableSystemLogQuery", Value(.bool(false)))
        show(&object, pressure: configuration)
        return object.value
    }

    private func show(_ object: inout ObjectBuilder, pressure configuration: AdapterConfiguration) {
        object.add("maxParallelImagePulls", UInt64(clamping: configuration.maximumParallelPulls))
        object.add("serializeImagePulls", Value(.bool(configuration.maximumParallelPulls == 1)))
        object.add("imagePullCredentialsVerificationPolicy", configuration.imageVerification)
        if !configuration.imageVerificationAllowlist.isEmpty {
            object.add(
                "preloadedImagesVerificationAllowlist", configuration.imageVerificationAllowlist.encodedAlways())
        }
        object.add("imageGCHighThresholdPercent", UInt64(clamping: configuration.imageHigh))
        object.add("imageGCLowThresholdPercent", UInt64(clamping: configuration.imageLow))
        for (name, entries) in [
            ("evictionHard", configuration.evictionHard), ("evictionSoft", configuration.evictionSoft),
            ("evictionSoftGracePeriod", configuration.evictionSoftGracePeriod),
            ("evictionMinimumReclaim", configuration.evictionMinimumReclaim),
            ("kubeReserved", configuration.kubeReserved), ("systemReserved", configuration.systemReserved),
        ] where !entries.isEmpty {
            let members = entries.compactMap { entry -> Member? in
                let parts = entry.split(maxSplits: 1, whereSeparator: { $0 == "<" || $0 == "=" }).map(String.init)
                return parts.count == 2 ? Member(parts[0], Value(.string(parts[1]))) : nil
            }
            object.add(name, Value(.object(members)))
        }
        object.add("evictionMaxPodGracePeriod", UInt64(clamping: configuration.evictionMaximumPodGrace))
        object.add("evictionPressureTransitionPeriod", Self.text(configuration.evictionPressureTransition))
        object.add("shutdownGracePeriod", Self.text(configuration.shutdownGrace))
        if !configuration.allowedUnsafeSysctls.isEmpty {
            object.add("allowedUnsafeSysctls", configuration.allowedUnsafeSysctls.encodedAlways())
        }
    }

    /// As Go writes durations: `2m0s`.
    static func text(_ duration: Duration) -> String {
        let seconds = duration.components.seconds
        guard seconds > 0 else { return "0s" }
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60)
        return (hours > 0 ? "\(hours)h" : "") + (seconds >= 60 ? "\(minutes)m" : "") + "\(seconds % 60)s"
    }
}
