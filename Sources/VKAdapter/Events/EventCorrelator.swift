import KubeAPI

/// Makes of what happens what is told: the same again counts, similar things become one, and an object that something
/// happens to all the time is told of no more (client-go `EventCorrelator`). No I/O.
struct EventCorrelator: Sendable {
    struct Limits: Sendable {
        /// Events of one object at once.
        var burst = 25.0
        /// Until an object that used up its burst may have one more.
        var refill: Duration = .seconds(300)
        /// So many different messages of one reason within ``window`` become one event.
        var similar = 10
        var window: Duration = .seconds(600)
        /// Objects, reasons and messages that are remembered, each.
        var remembered = 4096
    }

    enum Outcome: Sendable, Hashable {
        case create(Event)
        /// It is there already: its count, time and message are new.
        case update(Event)
        /// Too much happens to the object.
        case drop
    }

    private struct Group: Hashable {
        var object: ObjectReference
        var type: PodEventType
        var reason: String
    }
    private struct Similar {
        var messages: Set<String> = []
        var last: Timestamp
    }
    private struct Key: Hashable {
        var group: Group
        /// `nil` for those that were made one.
        var message: String?
    }
    private struct Told {
        var name: String
        var count: Int32
        var first: Timestamp
    }
    private struct Bucket {
        var tokens: Double
        var since: Timestamp
    }

    let component: String
    let host: String
    let limits: Limits
    private var similar: Recent<Group, Similar>
    private var told: Recent<Key, Told>
    private var buckets: Recent<ObjectReference, Bucket>
    private var lastName: Int64 = 0

    init(component: String, host: String, limits: Limits = Limits()) {
        self.component = component
        self.host = host
        self.limits = limits
        similar = Recent(limits.remembered)
        told = Recent(limits.remembered)
        buckets = Recent(limits.remembered)
    }

    /// What to tell of it.
    mutating func take(_ occurrence: Occurrence, now: Timestamp) -> Outcome {
        // The version of the object does not make it another one.
        var object = occurrence.object
        object.resourceVersion = ""
        let group = Group(object: object, type: occurrence.type, reason: occurrence.reason)
        let isCombined = combines(occurrence.message, in: group, now)
        let key = Key(group: group, message: isCombined ? nil : occurrence.message)
        let before = told[key]
        let current = Told(
            name: before?.name ?? name(of: object, now), count: (before?.count ?? 0) &+ 1, first: before?.first ?? now)
        told[key] = current
        guard mayTell(object, now) else { return .drop }
        let event = event(occurrence, isCombined: isCombined, current, now)
        return before == nil ? .create(event) : .update(event)
    }

    private func event(_ occurrence: Occurrence, isCombined: Bool, _ told: Told, _ now: Timestamp) -> Event {
        Event {
            $0.metadata.name = told.name
            $0.metadata.namespace = occurrence.object.namespace.isEmpty ? "default" : occurrence.object.namespace
            $0.involvedObject = occurrence.object
            $0.reason = occurrence.reason
            $0.message = (isCombined ? "(combined from similar events): " : "") + Self.shortened(occurrence.message)
            $0.source.component = component
            $0.source.host = host
            $0.firstTimestamp = told.first
            $0.lastTimestamp = now
            $0.count = told.count
            $0.type = occurrence.type.rawValue
            $0.reportingComponent = component
            $0.reportingInstance = host
        }
    }

    /// Whether so many different things were said for one reason that they are said as one.
    private mutating func combines(_ message: String, in group: Group, _ now: Timestamp) -> Bool {
        var known = similar[group] ?? Similar(last: now)
        if now.since(known.last) > limits.window { known.messages = [] }
        known.last = now
        if known.messages.count < limits.similar { known.messages.insert(message) }
        let isFull = known.messages.count >= limits.similar
        // One place is kept free: it is full again with the next one.
        if isFull, let any = known.messages.first { known.messages.remove(any) }
        similar[group] = known
        return isFull
    }

    private mutating func mayTell(_ object: ObjectReference, _ now: Timestamp) -> Bool {
        var key = object
        key.fieldPath = ""
        var bucket = buckets[key] ?? Bucket(tokens: limits.burst, since: now)
        let passed = max(0, now.since(bucket.since) / limits.refill)
        bucket.tokens = min(limits.burst, bucket.tokens + passed)
        bucket.since = now
        defer { buckets[key] = bucket }
        guard bucket.tokens >= 1 else { return false }
        bucket.tokens -= 1
        return true
    }

    /// As client-go's: the object's name and the time, which nobody else has at once.
    private mutating func name(of object: ObjectReference, _ now: Timestamp) -> String {
        lastName = max(lastName &+ 1, now.nanosecondsSince1970)
        // A name of an object has at most 253 bytes.
        return object.name.prefix(230) + "." + String(lastName, radix: 16)
    }

    /// An API server takes messages of up to a kilobyte.
    static func shortened(_ message: String) -> String {
        // Room for what is put before it.
        let limit = 980
        guard message.utf8.count > limit else { return message }
        var text = message.prefix(limit)
        while text.utf8.count > limit { text.removeLast() }
        return text + "..."
    }
}

/// The values used last, at most so many.
struct Recent<Key: Hashable & Sendable, Value: Sendable>: Sendable {
    private var values: [Key: (value: Value, used: Int64)] = [:]
    private var uses: Int64 = 0
    let limit: Int

    init(_ limit: Int) { self.limit = limit }

    subscript(key: Key) -> Value? {
        get { values[key]?.value }
        set {
            uses += 1
            values[key] = newValue.map { ($0, uses) }
            guard values.count > limit else { return }
            // A quarter at once: what is looked for costs as much for one.
            let oldest = values.map { (key: $0.key, used: $0.value.used) }.sorted { $0.used < $1.used }
            for entry in oldest.prefix(max(1, limit / 4)) { values[entry.key] = nil }
        }
    }
}
