import HostFiles
import KubeAPI
import NIOConcurrencyHelpers
import NIOCore

/// What of a log is wanted (`core/v1` `PodLogOptions`).
struct LogOptions: Sendable, Hashable {
    var follow = false
    /// The run of the container before this one.
    var previous = false
    var timestamps = false
    var since: Timestamp?
    var tailLines: Int?
    var limitBytes: Int?
    /// Only what the container wrote to this; `nil` for both.
    var stream: LogLine.Stream?

    init() {}

    /// Reads the options of a request.
    /// - Throws: the API's texts, which a server answers with 422.
    init(query: [(name: String, value: String)], now: Timestamp) throws(AdapterError) {
        func value(_ name: String) -> String? { query.first { $0.name == name && !$0.value.isEmpty }?.value }
        func flag(_ name: String) -> Bool { ["true", "1"].contains(value(name) ?? "") }
        func number(_ name: String, atLeast least: Int, _ text: String) throws(AdapterError) -> Int? {
            guard let value = value(name) else { return nil }
            guard let number = Int(value), number >= least else {
                throw AdapterError(.invalidArgument, "\(name): Invalid value: \(value): \(text)")
            }
            return number
        }
        follow = flag("follow")
        previous = flag("previous")
        timestamps = flag("timestamps")
        tailLines = try number("tailLines", atLeast: 0, "must be greater than or equal to 0")
        limitBytes = try number("limitBytes", atLeast: 1, "must be greater than 0")
        let seconds = try number("sinceSeconds", atLeast: 1, "must be greater than 0")
        if let text = value("sinceTime") {
            guard seconds == nil else {
                throw AdapterError(
                    .invalidArgument,
                    "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified")
            }
            guard let time = Timestamp(rfc3339: text) else {
                throw AdapterError(.invalidArgument, "sinceTime: Invalid value: \(text): must be an RFC 3339 time")
            }
            since = time
        }
        switch value("stream") {
        case nil, "All": stream = nil
        case "Stdout": stream = .stdout
        case "Stderr": stream = .stderr
        case let other?:
            throw AdapterError(
                .invalidArgument,
                "stream: Unsupported value: \"\(other)\": supported values: \"All\", \"Stderr\", \"Stdout\"")
        }
        guard stream == nil || tailLines == nil else {
            throw AdapterError(
                .invalidArgument, "Forbidden: `tailLines` and specific `stream` are mutually exclusive for now")
        }
        if let seconds { since = now.advanced(by: .seconds(-Int64(seconds))) }
    }
}

/// Text that is collected from another task.
final class NIOLockedText: Sendable {
    private let bytes = NIOLockedValueBox<[UInt8]>([])

    func append(_ buffer: ByteBuffer) { bytes.withLockedValue { $0.append(contentsOf: buffer.readableBytesView) } }

    /// The last so many bytes.
    func suffix(_ count: Int) -> String { bytes.withLockedValue { String(decoding: $0.suffix(count), as: UTF8.self) } }
}
