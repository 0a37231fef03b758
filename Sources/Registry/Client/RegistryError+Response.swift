import AsyncHTTPClient
import FoundationEssentials
import NIOCore
import NIOHTTP1

extension RegistryError {
    /// How much of an answer that says no is read.
    static let bodyLimit = 16 << 10

    /// What a registry answers when it says no (distribution specification, "error codes").
    private struct Body: Codable {
        struct Entry: Codable {
            var code: String?
            var message: String?
        }
        var errors: [Entry]?
    }

    /// - Parameters:
    ///   - what: what was attempted.
    ///   - body: as far as it was read; it is quoted only where it is the registry's own form of an error.
    init(_ what: String, status: HTTPResponseStatus, headers: HTTPHeaders, body: ByteBuffer) {
        let code: Code
        let advice: String
        switch status.code {
        case 401: (code, advice) = (.unauthorized, "it wants other credentials, or there is no such thing")
        case 403: (code, advice) = (.forbidden, "these credentials may not do that")
        case 404: (code, advice) = (.notFound, "the registry does not have it")
        case 405, 501: (code, advice) = (.unsupported, "the registry does not do that")
        case 429: (code, advice) = (.tooManyRequests, "the registry asks to be left alone for a while")
        case 408, 425, 500, 502...599: (code, advice) = (.unavailable, "the registry is in trouble")
        case 416: (code, advice) = (.wrongContent, "the registry has less of it than the manifest says")
        default: (code, advice) = (.failed, "the registry refuses")
        }
        let said = Self.said(body)
        self.init(
            code, "\(what): \(advice) (\(status.code)\(said.isEmpty ? "" : ", ")\(said))")
        retryAfter = Self.retryAfter(headers)
    }

    private static func said(_ body: ByteBuffer) -> String {
        guard let answer = try? JSONDecoder().decode(Body.self, from: Data(body.readableBytesView)) else { return "" }
        let texts = (answer.errors ?? []).prefix(3).compactMap { entry -> String? in
            let parts = [entry.code, entry.message].compactMap { $0 }.filter { !$0.isEmpty }
            return parts.isEmpty ? nil : parts.joined(separator: ": ")
        }
        return String(texts.joined(separator: "; ").prefix(300).filter { $0.isASCII && $0 >= " " && $0 != "\u{7f}" })
    }

    /// The registry's own code for what is wrong, as `DIGEST_INVALID`.
    func mentions(_ code: String) -> Bool { message.contains(code) }

    /// Seconds, or a time (RFC 9110, 10.2.3).
    static func retryAfter(_ headers: HTTPHeaders) -> Duration? {
        guard let text = headers.first(name: "Retry-After")?.trimmed else { return nil }
        if let seconds = Int64(text) { return .seconds(max(0, min(seconds, 86_400))) }
        guard let time = httpDate(text) else { return nil }
        // Against the registry's own clock where it shows it.
        let now = headers.first(name: "Date").flatMap { httpDate($0.trimmed) } ?? Date.now
        return .seconds(max(0, min(time.timeIntervalSince(now), 86_400)))
    }

    private static func httpDate(_ text: String) -> Date? {
        // Sun, 06 Nov 1994 08:49:37 GMT
        let parts = text.split { $0 == " " || $0 == ":" }
        let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
        guard parts.count == 8, parts[7] == "GMT", let day = Int(parts[1]),
            let month = months.firstIndex(of: String(parts[2])), let year = Int(parts[3]), let hour = Int(parts[4]),
            let minute = Int(parts[5]), let second = Int(parts[6])
        else { return nil }
        var date = DateComponents()
        (date.year, date.month, date.day) = (year, month + 1, day)
        (date.hour, date.minute, date.second) = (hour, minute, second)
        var calendar = Calendar(identifier: .gregorian)
        guard let zone = TimeZone(secondsFromGMT: 0) else { return nil }
        calendar.timeZone = zone
        return calendar.date(from: date)
    }
}

extension String {
    var trimmed: String {
        var rest = self[...]
        while let first = rest.first, first == " " || first == "\t" { rest = rest.dropFirst() }
        while let last = rest.last, last == " " || last == "\t" { rest = rest.dropLast() }
        return String(rest)
    }
}
