/// Finds the one thing a person means by an id, the beginning of an id, or a name.
enum Lookup {
    struct Candidate: Sendable {
        var id: String
        /// Every name it answers to, from short to long: `app`, `web/app`, `default/web/app`.
        var names: [String]
        /// Things with the same group are generations of one thing (attempts of a container in its pod); a name means
        /// the newest of them.
        var group: String
        /// Orders generations: a live one before a dead one, then the newer.
        var isLive: Bool
        var createdAt: Int64
    }

    /// - Parameter kind: what is looked for, for the message: `container`.
    /// - Throws: `invalidArgument` for an empty query, `notFound`, `ambiguous`.
    static func find(_ query: String, among candidates: [Candidate], kind: String) throws(ControlError) -> Candidate {
        guard !query.isEmpty else { throw ControlError(.invalidArgument, "no \(kind) was named") }
        let bare = Display.withoutAlgorithm(query)
        if let exact = candidates.first(where: { Display.withoutAlgorithm($0.id) == bare }) { return exact }

        let named = candidates.filter { $0.names.contains(query) }
        let newest = Dictionary(grouping: named, by: \.group).values.compactMap { generations in
            generations.max { ($0.isLive ? 1 : 0, $0.createdAt) < ($1.isLive ? 1 : 0, $1.createdAt) }
        }
        if newest.count == 1 { return newest[0] }
        if newest.count > 1 { throw ambiguous(query, newest, kind: kind) }

        let begun = candidates.filter { Display.withoutAlgorithm($0.id).hasPrefix(bare) }
        if begun.count == 1 { return begun[0] }
        if begun.count > 1 { throw ambiguous(query, begun, kind: kind) }
        throw ControlError(.notFound, "no \(kind) has the id or name \"\(query)\"")
    }

    private static func ambiguous(_ query: String, _ found: [Candidate], kind: String) -> ControlError {
        let list = found.map { "\(Display.shortID($0.id)) (\($0.names.last ?? ""))" }.sorted().prefix(8)
        return ControlError(
            .ambiguous,
            "\"\(query)\" fits \(found.count) \(kind)s; write more of the id, or POD/NAME: "
                + list.joined(separator: ", "))
    }
}
