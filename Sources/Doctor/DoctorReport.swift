#if canImport(FoundationEssentials)
import FoundationEssentials
#else
import Foundation
#endif

/// Findings as they are shown.
public struct DoctorReport: Sendable {
    public var findings: [Finding]

    public init(_ findings: [Finding]) { self.findings = findings }

    /// 0 when all is well, 1 with warnings, 2 with failures.
    public var exitCode: Int32 {
        switch findings.map(\.level).max() {
        case nil, .ok: 0
        case .warning: 1
        case .failure: 2
        }
    }

    /// A line for each finding and one that counts them.
    /// - Parameter colours: for a terminal.
    public func text(colours: Bool) -> String {
        var text = ""
        for finding in findings {
            let fix = finding.fix.map { " · \($0)" } ?? ""
            text +=
                "\(Self.sign(finding.level, colours)) \(finding.check): \(Self.line(finding.what))\(Self.line(fix))\n"
        }
        return text + "\n" + summary + "\n"
    }

    private var summary: String {
        func count(_ level: Finding.Level, _ one: String, _ many: String) -> String? {
            let count = findings.count { $0.level == level }
            return count == 0 ? nil : "\(count) \(count == 1 ? one : many)"
        }
        let parts = [
            count(.ok, "ok", "ok"), count(.warning, "warning", "warnings"), count(.failure, "failure", "failures"),
        ].compactMap(\.self)
        return parts.isEmpty ? "nothing to look at" : parts.joined(separator: ", ")
    }

    private static func sign(_ level: Finding.Level, _ colours: Bool) -> String {
        let (sign, colour) =
            switch level {
            case .ok: ("✔", 32)
            case .warning: ("!", 33)
            case .failure: ("✘", 31)
            }
        return colours ? "\u{1b}[\(colour)m\(sign)\u{1b}[0m" : sign
    }

    /// What programs said may have any form; it is shown as one line.
    private static func line(_ text: String) -> String {
        String(
            String.UnicodeScalarView(
                text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : $0 }))
    }

    private struct Document: Encodable {
        var findings: [Finding]
        var ok: Int
        var warnings: Int
        var failures: Int
    }

    /// `{"findings": [{"check", "level", "what", "fix"}…], "ok", "warnings", "failures"}`
    public func json() throws -> String {
        func count(_ level: Finding.Level) -> Int { findings.count { $0.level == level } }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let document = Document(
            findings: findings, ok: count(.ok), warnings: count(.warning), failures: count(.failure))
        return String(decoding: try encoder.encode(document), as: UTF8.self)
    }
}
