/// The word a mistyped one was most likely meant to be, or nil when none is near.
func nearest(to word: String, among known: [String]) -> String? {
    let folded = Array(word.lowercased().filter { $0 != "-" && $0 != "_" })
    let best = known.map { (name: $0, distance: distance(folded, Array($0.lowercased()))) }
        .min { ($0.distance, $0.name) < ($1.distance, $1.name) }
    guard let best, best.distance <= max(1, folded.count / 3) else { return nil }
    return best.name
}

/// Levenshtein: how many letters to change, add or leave out.
private func distance(_ a: [Character], _ b: [Character]) -> Int {
    var row = Array(0...b.count)
    for (i, letter) in a.enumerated() {
        var diagonal = row[0]
        row[0] = i + 1
        for (j, other) in b.enumerated() {
            let replaced = diagonal + (letter == other ? 0 : 1)
            diagonal = row[j + 1]
            row[j + 1] = min(replaced, row[j] + 1, diagonal + 1)
        }
    }
    return row[b.count]
}
