import NIOCore

extension DaemonSetup {
    /// Who tells of our work; `nil` when nobody wants to know.
    func tracer(_ group: any EventLoopGroup) throws(AdapterError) -> Tracer? {
        guard let tracing = configuration.tracing, tracing.sampling.share > 0 else { return nil }
        let exporter = try TraceExporter(
            tracing, node: configuration.nodeName, version: configuration.version, group: group, logger: logger)
        return Tracer(sampling: tracing.sampling, exporter: exporter, logger: logger)
    }
}
