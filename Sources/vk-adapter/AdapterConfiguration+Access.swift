import Settings
import VKAdapter

extension AdapterConfiguration {
    /// What the kubelet API's callers may, and what earlier virtual kubelets' flags say.
    /// - Throws: `SettingsError` that names who said what cannot be used.
    mutating func setAccess(_ settings: AdapterSettings) throws {
        if settings.noVerifyClients { kubeletClientCAFile = nil }
        reviewsTokens = settings.authenticationTokenWebhook
        func lifetime(_ seconds: Int, _ path: WritableKeyPath<ReviewLifetimes, Duration>) {
            if seconds > 0 { reviewLifetimes[keyPath: path] = .seconds(seconds) }
        }
        lifetime(settings.authenticationTokenWebhookCacheTTL, \.token)
        lifetime(settings.authorizationWebhookCacheAuthorizedTTL, \.allowed)
        lifetime(settings.authorizationWebhookCacheUnauthorizedTTL, \.denied)
        reviewLifetimes.unknownToken = min(reviewLifetimes.unknownToken, reviewLifetimes.token)
        nodeLogDirectory = settings.nodeLogs
        relistInterval = .seconds(settings.fullResyncPeriod)
        startupTimeout = settings.startupTimeout > 0 ? .seconds(settings.startupTimeout) : nil
        namespace = settings.namespace
        operatingSystem = settings.operatingSystem?.lowercased()
        if let system = operatingSystem, !["linux", "darwin", "windows"].contains(system) {
            throw settings.resolved.invalid("operatingSystem", "\"\(system)\" is none of linux, darwin and windows")
        }
        if let provider = settings.provider, !["vz-cri", "cri", "macos-vz"].contains(provider) {
            throw settings.resolved.invalid(
                "provider", "there is no provider \"\(provider)\": this is vz-cri, which drives a CRI runtime")
        }
    }
}
