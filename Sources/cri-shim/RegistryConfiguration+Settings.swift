import Registry
import Settings

#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

extension RegistryConfiguration {
    /// - Throws: `SettingsError` that names who said what cannot be used.
    init(
        _ settings: ShimSettings, environment: [String: String] = ProcessInfo.processInfo.environment
    ) throws {
        self.init()
        let resolved = settings.resolved
        credentialFile = settings.imageCredentials
        rules = try settings.registries.map { fields in
            func invalid(_ why: String) -> SettingsError {
                resolved.invalid("registries", "the entry for \(fields["host"] ?? ""): \(why)")
            }
            var rule = RegistryRule(host: fields["host"] ?? "")
            guard rule.isValid else { throw invalid("host is no HOST[:PORT], *.DOMAIN or *") }
            rule.mirrors = (fields["mirrors"] ?? "").split { $0 == "," || $0 == " " }.map(String.init)
            rule.plainHTTP = fields["plainHTTP"].map { $0 == "true" }
            rule.insecure = fields["insecure"] == "true"
            rule.authorities = fields["ca"]
            rule.certificate = fields["cert"]
            rule.key = fields["key"]
            guard rule.key == nil || rule.certificate != nil else { throw invalid("it has a key without a cert") }
            for mirror in rule.mirrors {
                do {
                    try RegistryConfiguration().checkMirror(mirror)
                } catch let error as RegistryError {
                    throw invalid(error.message)
                }
            }
            return rule
        }
        do {
            proxies = try ProxyRules(environment: environment)
        } catch {
            throw SettingsError(.invalidArgument, error.message)
        }
    }
}
