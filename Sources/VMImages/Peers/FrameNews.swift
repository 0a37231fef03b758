/// What becomes of a disk's frames at somebody who pulls it, or has it. A frame's number is where it begins, in units of
/// 1 MiB.
public enum FrameNews: Sendable, Hashable {
    /// They are there, verified.
    case has([Int])
    /// They are being fetched from the registry.
    case fetches([Int])
    /// They are neither any more.
    case lost([Int])

    /// One line: `has 0-5,7`; `has ` stands for nothing.
    public var line: String {
        switch self {
        case .has(let numbers): "has \(Self.text(numbers))"
        case .fetches(let numbers): "fetches \(Self.text(numbers))"
        case .lost(let numbers): "lost \(Self.text(numbers))"
        }
    }

    /// Of a disk the first 2 TiB are exchanged; the rest comes from the registry.
    static let limit = 1 << 21
    /// What a line may take: a disk of 1 TiB, every other frame of it.
    public static let lineLimit = 4 << 20

    /// - Returns: nil for what nobody would say.
    public init?(line: some StringProtocol) {
        let words = line.split(separator: " ", omittingEmptySubsequences: false)
        guard words.count == 2 else { return nil }
        var numbers: [Int] = []
        for part in words[1].split(separator: ",") {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 0, last >= first, last < Self.limit, numbers.count + last - first < Self.limit
            else { return nil }
            numbers += first...last
        }
        switch words[0] {
        case "has": self = .has(numbers)
        case "fetches": self = .fetches(numbers)
        case "lost": self = .lost(numbers)
        default: return nil
        }
    }

    private static func text(_ numbers: [Int]) -> String {
        var runs: [ClosedRange<Int>] = []
        for number in numbers.sorted() where number < limit {
            if let last = runs.last, last.upperBound + 1 >= number {
                runs[runs.count - 1] = last.lowerBound...max(last.upperBound, number)
            } else {
                runs.append(number...number)
            }
        }
        return runs.map { $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)" }
            .joined(separator: ",")
    }
}
