extension PodStatus {
    /// A strategic merge that makes the status an API server has of this pod this one.
    ///
    /// Conditions of others stay; of our own those that come and go are taken away. What only the API server writes (`qosClass` after the pod was made) is left out.
    /// - Parameters:
    ///   - uid: of the pod: of another one of its name it is refused.
    ///   - own: the conditions that are ours to tell.
    ///   - before: what the API server was told last; `nil` when that is not known.
    public func patch(uid: String, own: Set<PodCondition.Kind>, before: PodStatus? = nil) -> Value {
        var shown = self
        shown.conditions = conditions.filter { own.contains($0.type) }
        var members: [Member] = []
        for field in Self.fields.list where field.name != "qosClass" {
            guard var value = field.encode(shown) else {
                // Gone, if it ever was there. Some do not go once they are known.
                if !["phase", "startTime", "hostIP", "hostIPs", "conditions", "observedGeneration"].contains(field.name)
                {
                    members.append(Member(field.name, Value(.null)))
                }
                continue
            }
            if field.name == "conditions", case .array(let conditions) = value.kind {
                let list = conditions.map { Self.whole($0) }
                let gone = [PodCondition.Kind.resizePending, .resizeInProgress].filter { kind in
                    own.contains(kind) && shown.condition(kind) == nil
                        && before.map { $0.condition(kind) != nil } ?? true
                }
                value = Value(
                    .array(
                        list
                            + gone.map { kind in
                                Value(
                                    .object([
                                        Member("$patch", Value(.string("delete"))),
                                        Member("type", Value(.string(kind.rawValue))),
                                    ]))
                            }))
            }
            // These lists merge by address: a changed one would be one more.
            if ["podIPs", "hostIPs"].contains(field.name), case .array(let list) = value.kind {
                value = Value(.array(list + [Value(.object([Member("$patch", Value(.string("replace")))]))]))
            }
            members.append(Member(field.name, value))
        }
        return Value(
            .object([
                Member("metadata", Value(.object([Member("uid", Value(.string(uid)))]))),
                Member("status", Value(.object(members))),
            ]))
    }

    /// Conditions merge by their type, member by member: what one does not say any more has to be taken away.
    private static func whole(_ condition: Value) -> Value {
        guard case .object(let members) = condition.kind else { return condition }
        let gone = ["reason", "message"].filter { name in !members.contains { $0.name == name } }
        return Value(.object(members + gone.map { Member($0, Value(.null)) }))
    }
}
