import KubeAPI

extension APIServerDouble {
    private static let uidDigits = Array("0123456789abcdef")

    private static func random(_ count: Int) -> String { String((0..<count).map { _ in uidDigits.randomElement()! }) }

    private static func uid() -> String {
        "\(random(8))-\(random(4))-4\(random(3))-a\(random(3))-\(random(12))"
    }

    private static func now() -> Value { Value(.string(Timestamp.now().description)) }

    // MARK: Creating

    func create(_ path: ResourcePath, _ body: Value) throws -> Value {
        var object = body
        guard body["kind"]?.string == path.kind.kind, body["apiVersion"]?.string == path.kind.apiVersion else {
            throw Refusal.bad("the object is no \(path.kind.apiVersion) \(path.kind.kind)")
        }
        if let namespace = body.at("metadata", "namespace")?.string, path.kind.isNamespaced, namespace != path.namespace
        {
            throw Refusal.bad("the namespace of the provided object does not match the namespace sent on the request")
        }
        var name = body.at("metadata", "name")?.string ?? ""
        if name.isEmpty, let prefix = body.at("metadata", "generateName")?.string {
            name = prefix + Self.random(5)
            object.set("metadata", "name", to: name)
        }
        guard !name.isEmpty else {
            throw Refusal.invalid("metadata.name: Required value: name or generateName is required")
        }
        let key = try key(path, name)
        if path.kind.isNamespaced { object.set("metadata", "namespace", to: key.namespace) }
        object.set("metadata", "uid", to: Self.uid())
        object.set("metadata", "creationTimestamp", to: Self.now())
        object.set("metadata", "generation", to: 1)
        object.set("metadata", "deletionTimestamp", to: nil)
        if path.kind.hasStatus { object.set("status", to: Value(.object([]))) }
        if path.kind.plural == "pods" {
            object.set("status", "phase", to: "Pending")
            if object.at("spec", "terminationGracePeriodSeconds") == nil {
                object.set("spec", "terminationGracePeriodSeconds", to: 30)
            }
            if object.at("spec", "restartPolicy") == nil { object.set("spec", "restartPolicy", to: "Always") }
        }
        return try change { storage in
            guard storage.objects[key] == nil else { throw Refusal.exists(path.kind, name) }
            return storage.put(key, object)
        }
    }

    // MARK: Changing

    func replace(_ path: ResourcePath, _ name: String, _ body: Value) throws -> Value {
        guard body.at("metadata", "name")?.string == name else {
            throw Refusal.bad("the name of the object does not match the name on the URL")
        }
        return try update(path, name) { _ in body }
    }

    func patch(_ path: ResourcePath, _ name: String, _ body: Value, type: String) throws -> Value {
        switch type {
        case "application/merge-patch+json": try update(path, name, isPatch: true) { Patches.merge(body, into: $0) }
        case "application/strategic-merge-patch+json":
            try update(path, name, isPatch: true) { Patches.strategic(body, into: $0) }
        default: throw Refusal(415, "UnsupportedMediaType", "the body of the request was in an unknown format: \(type)")
        }
    }

    private func update(
        _ path: ResourcePath, _ name: String, isPatch: Bool = false, _ work: (Value) -> Value
    ) throws -> Value {
        let key = try key(path, name)
        return try change { storage in
            guard let old = storage.objects[key] else { throw Refusal.notFound(path.kind, name) }
            var new = work(old)
            let uid = old.at("metadata", "uid")
            if let wanted = new.at("metadata", "uid"), wanted != uid {
                if isPatch {
                    throw Refusal.invalid(
                        "\(path.kind.kind) \"\(name)\" is invalid: metadata.uid: Invalid value: "
                            + "\"\(wanted.string ?? "")\": field is immutable")
                }
                throw Refusal.conflict(
                    path.kind, name,
                    "Precondition failed: UID in precondition: \(wanted.string ?? ""), UID in object meta: \(uid?.string ?? "")"
                )
            }
            let version = old.at("metadata", "resourceVersion")
            if let wanted = new.at("metadata", "resourceVersion"), wanted.string?.isEmpty == false, wanted != version {
                throw Refusal.conflict(
                    path.kind, name,
                    "the object has been modified; please apply your changes to the latest version and try again")
            }
            // What only the server writes.
            for field in ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"] {
                new.set(["metadata", field], old.at("metadata", field))
            }
            new.set("kind", to: old["kind"])
            new.set("apiVersion", to: old["apiVersion"])
            switch path.subresource {
            case "status":
                let status = new["status"]
                new = Self.keeping(old, metadataOf: new)
                new.set("status", to: status)
            case nil:
                if path.kind.hasStatus { new.set("status", to: old["status"]) }
                if !(new["spec"] ?? Value(.null)).means(old["spec"] ?? Value(.null)) {
                    if path.kind.plural == "pods" { try Self.checkPod(old, new) }
                    new.set("metadata", "generation", to: (old.at("metadata", "generation")?.int ?? 0) + 1)
                }
            default: throw Refusal.notFound(path.kind, "\(name)/\(path.subresource ?? "")")
            }
            if new.at("metadata", "deletionTimestamp") != nil, (new.at("metadata", "finalizers")?.array ?? []).isEmpty,
                (new.at("metadata", "deletionGracePeriodSeconds")?.int ?? 0) == 0
            {
                return storage.put(key, nil)
            }
            return storage.put(key, new)
        }
    }

    /// A status request changes labels and annotations at most, besides the status.
    private static func keeping(_ old: Value, metadataOf new: Value) -> Value {
        var result = old
        for field in ["labels", "annotations"] { result.set(["metadata", field], new.at("metadata", field)) }
        return result
    }

    /// Of a pod that is there, little can be changed.
    private static func checkPod(_ old: Value, _ new: Value) throws {
        func stripped(_ pod: Value) -> Value {
            var spec = pod["spec"] ?? Value(.object([]))
            for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds"] {
                spec.set([field], nil)
            }
            for list in ["containers", "initContainers", "ephemeralContainers"] {
                guard let members = spec[list]?.array else { continue }
                spec.set(
                    [list],
                    Value(
                        .array(
                            members.map { member in
                                var member = member
                                member.set(["image"], nil)
                                return member
                            })))
            }
            return spec
        }
        guard stripped(old).means(stripped(new)) else {
            throw Refusal.invalid(
                "spec: Forbidden: pod updates may not change fields other than the images and a few more")
        }
    }

    // MARK: Deleting

    func delete(_ path: ResourcePath, _ name: String, _ options: Value) throws -> Value {
        let key = try key(path, name)
        return try change { storage in
            guard var object = storage.objects[key] else { throw Refusal.notFound(path.kind, name) }
            if let uid = options.at("preconditions", "uid"), uid != object.at("metadata", "uid") {
                throw Refusal.conflict(
                    path.kind, name,
                    "the UID in the precondition (\(uid.string ?? "")) does not match the UID in record: "
                        + "the object might have been deleted and then recreated")
            }
            var grace: Int64 = 0
            if path.kind.plural == "pods", object.at("spec", "nodeName")?.string?.isEmpty == false,
                !["Succeeded", "Failed"].contains(object.at("status", "phase")?.string ?? "")
            {
                grace =
                    options["gracePeriodSeconds"]?.int ?? object.at("spec", "terminationGracePeriodSeconds")?.int ?? 30
            }
            let finalizers = object.at("metadata", "finalizers")?.array ?? []
            if grace == 0, finalizers.isEmpty { return storage.put(key, nil) }
            // Asked twice, the shorter time counts.
            if let before = object.at("metadata", "deletionGracePeriodSeconds")?.int, before <= grace { return object }
            object.set("metadata", "deletionGracePeriodSeconds", to: grace)
            let end = Timestamp.now().advanced(by: .seconds(grace))
            object.set("metadata", "deletionTimestamp", to: end.description)
            object.set("metadata", "generation", to: (object.at("metadata", "generation")?.int ?? 0) + 1)
            return storage.put(key, object)
        }
    }
}
