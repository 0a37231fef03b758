import ArgumentParser
import Launch

/// Who may use the kubelet API, and what it shows.
struct AccessOptions: ParsableArguments {
    @Flag(help: "Show bearer tokens to the cluster, which says whose they are.")
    var authenticationTokenWebhook = false

    @Option(
        name: .customLong("authentication-token-webhook-cache-ttl"),
        help: ArgumentHelp("How long that holds; 0 is 2m.", valueName: "time"))
    var tokenLifetime: String?

    @Option(
        name: .customLong("authorization-webhook-cache-authorized-ttl"),
        help: ArgumentHelp("How long a \"may\" of the cluster's holds; 0 is 5m.", valueName: "time"))
    var allowedLifetime: String?

    @Option(
        name: .customLong("authorization-webhook-cache-unauthorized-ttl"),
        help: ArgumentHelp("How long a \"may not\" holds; 0 is 30s.", valueName: "time"))
    var deniedLifetime: String?

    @Flag(help: "Do not ask clients for certificates; they need tokens then.")
    var noVerifyClients = false

    @Option(help: ArgumentHelp("The directory shown at /logs/.", valueName: "directory"))
    var nodeLogs: String?

    func set(_ flags: inout FlagValues) {
        flags.set("authenticationTokenWebhook", authenticationTokenWebhook)
        flags.set("authenticationTokenWebhookCacheTTL", tokenLifetime)
        flags.set("authorizationWebhookCacheAuthorizedTTL", allowedLifetime)
        flags.set("authorizationWebhookCacheUnauthorizedTTL", deniedLifetime)
        flags.set("noVerifyClients", noVerifyClients)
        flags.set("nodeLogs", nodeLogs)
    }
}

/// Flags of earlier virtual kubelets, which command lines and units still carry.
struct HistoricOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("End unless the runtime has answered by then; 0 waits.", valueName: "time"))
    var startupTimeout: String?

    @Option(help: ArgumentHelp("Without effect: every pod has a worker of its own.", valueName: "number"))
    var podSyncWorkers: Int?

    @Option(help: ArgumentHelp("Between looks at everything, beside events.", valueName: "time"))
    var fullResyncPeriod: String?

    @Option(help: ArgumentHelp("Which traces are told: always, never, or a percentage.", valueName: "rate"))
    var traceSampleRate: String?

    @Option(help: ArgumentHelp("Only pods of this namespace.", valueName: "namespace"))
    var namespace: String?

    @Option(
        name: .customLong("os"),
        help: ArgumentHelp("The operating system the node says it runs (default: this machine's).", valueName: "name"))
    var operatingSystem: String?

    @Option(help: ArgumentHelp("vz-cri, cri or macos-vz: all mean this one.", valueName: "name"))
    var provider: String?

    @Option(help: ArgumentHelp("The same as --config.", valueName: "file"))
    var providerConfig: String?

    @Option(help: ArgumentHelp("Key of the taint of a new node.", valueName: "key"))
    var taint: String?

    func set(_ flags: inout FlagValues) {
        flags.set("startupTimeout", startupTimeout)
        flags.set("podSyncWorkers", podSyncWorkers.map { "\($0)" })
        flags.set("fullResyncPeriod", fullResyncPeriod)
        flags.set("traceSampleRate", traceSampleRate)
        flags.set("namespace", namespace)
        flags.set("operatingSystem", operatingSystem)
        flags.set("provider", provider)
        flags.set("providerConfig", providerConfig)
        flags.set("taintKey", taint)
    }
}
