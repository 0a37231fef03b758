/// One request to an API server, for whoever counts them.
public struct KubeCall: Sendable {
    public var method: String
    /// Name and port of the server.
    public var host: String
    /// nil when no answer came.
    public var status: Int?
    /// Until the answer began, or it was clear that none comes.
    public var duration: Duration
}
