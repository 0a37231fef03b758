/// A piece of work that is told to a tracing system once it has ended.
struct Span: Sendable, Hashable {
    enum Kind: UInt64, Sendable {
        case inner = 1
        case server = 2
        /// A call of somebody else.
        case client = 3
    }

    /// Which span of which trace.
    struct Context: Sendable, Hashable {
        var trace: TraceID
        var span: UInt64
        /// Whether the trace is told at all.
        var isSampled: Bool
    }

    struct TraceID: Sendable, Hashable {
        var high: UInt64
        var low: UInt64

        /// Never zero, which means none.
        static func random() -> TraceID { TraceID(high: .random(in: 0 ... .max), low: .random(in: 1 ... .max)) }
    }

    var context: Context
    var parent: UInt64?
    var name: String
    var kind = Kind.inner
    var attributes: [String: String] = [:]
    /// Nanoseconds since 1970.
    var start: Int64
    var end: Int64 = 0
    /// Why it did not end well.
    var failure: String?
}
