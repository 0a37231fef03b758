import Settings
import VKAdapter

extension AdapterConfiguration {
    /// Whom the adapter tells what it does.
    /// - Throws: `SettingsError` that names who said what cannot be used.
    mutating func setTracing(_ settings: AdapterSettings) throws {
        let resolved = settings.resolved
        guard let sampling = TraceSampling(settings.traceSampleRate) else {
            throw resolved.invalid(
                "traceSampleRate",
                "\"\(settings.traceSampleRate)\" is neither \"always\" nor \"never\" nor a percentage from 0 to 100")
        }
        guard let text = settings.otlpEndpoint else { return }
        guard
            var tracing = TraceConfiguration(
                text, isInsecure: settings.otlpInsecure, wantsGRPC: settings.otlpProtocol.map { $0 == "grpc" },
                serviceName: settings.otelServiceName ?? nodeName, sampling: sampling)
        else { throw resolved.invalid("otlpEndpoint", "\"\(text)\" is neither HOST:PORT nor http://HOST:PORT") }
        tracing.caFile = settings.otlpCertificate
        for header in settings.otlpHeaders {
            let parts = header.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2 else { throw resolved.invalid("otlpHeaders", "a header is written NAME=VALUE") }
            tracing.headers[parts[0]] = parts[1]
        }
        self.tracing = tracing
    }
}
