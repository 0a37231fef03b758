/// An engine writes only what it can.
extension Machine {
    public var changes: AsyncStream<MachineChange> { AsyncStream { $0.finish() } }

    public func pause() async throws { throw unsupported("be paused") }
    public func resume() async throws { throw unsupported("be paused and resumed") }
    public func save(to path: String) async throws { throw unsupported("save its state") }
    public func setMemory(bytes: Int64) async throws { throw unsupported("give memory back") }
    public func statistics() async throws -> MachineStatistics { MachineStatistics() }
    public func screenshot(to path: String) async throws { throw unsupported("show its display") }
    public func replaceShare(_ share: MachineConfig.Share) async throws { throw unsupported("change its shares") }

    private func unsupported(_ what: String) -> VZEngineError {
        VZEngineError(.unsupported, "this machine cannot \(what)")
    }
}
