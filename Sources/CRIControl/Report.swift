import Proto

/// How lists and objects are shown.
public enum OutputFormat: String, Sendable, CaseIterable {
    case table, json
}

/// The text of a list or an object for a person (`table`) or a program (`json`, protobuf's JSON form).
struct Report {
    var format: OutputFormat
    /// Nanoseconds since 1970.
    var now: Int64

    func version(_ version: CRI.VersionResponse) -> String {
        guard format == .table else { return JSON(message: version).text }
        return """
            API:      \(Table.printable(version.runtimeApiVersion))
            Runtime:  \(Table.printable("\(version.runtimeName) \(version.runtimeVersion)"))

            """
    }

    func pods(_ pods: [CRI.PodSandbox]) -> String {
        guard format == .table else { return JSON.object([.init(name: "items", value: list(pods))]).text }
        var table = Table(["POD ID", "AGE", "STATE", "NAME", "NAMESPACE", "ATTEMPT", "RUNTIME"])
        for pod in pods {
            table.add([
                Display.shortID(pod.id), Display.age(of: pod.createdAt, now: now),
                Display.state("\(pod.state)", prefix: "SANDBOX_"), pod.metadata?.name ?? "",
                pod.metadata?.namespace ?? "",
                "\(pod.metadata?.attempt ?? 0)", pod.runtimeHandler.isEmpty ? "(default)" : pod.runtimeHandler,
            ])
        }
        return table.text
    }

    /// - Parameter pods: to name the pod of each container.
    func containers(_ containers: [CRI.Container], pods: [CRI.PodSandbox]) -> String {
        guard format == .table else { return JSON.object([.init(name: "containers", value: list(containers))]).text }
        let names = Dictionary(pods.map { ($0.id, $0.metadata?.name ?? "") }) { first, _ in first }
        var table = Table(["CONTAINER", "IMAGE", "AGE", "STATE", "NAME", "ATTEMPT", "POD ID", "POD"])
        for container in containers {
            let image = container.image?.userSpecifiedImage ?? ""
            table.add([
                Display.shortID(container.id),
                Self.shortImage(image.isEmpty ? container.image?.image ?? container.imageRef : image),
                Display.age(of: container.createdAt, now: now),
                Display.state("\(container.state)", prefix: "CONTAINER_"), container.metadata?.name ?? "",
                "\(container.metadata?.attempt ?? 0)", Display.shortID(container.podSandboxId),
                names[container.podSandboxId] ?? "",
            ])
        }
        return table.text
    }

    func images(_ images: [CRI.Image]) -> String {
        guard format == .table else { return JSON.object([.init(name: "images", value: list(images))]).text }
        var table = Table(["IMAGE", "TAG", "IMAGE ID", "SIZE"])
        for image in images {
            let names = image.repoTags.isEmpty ? [image.repoDigests.first ?? "<none>"] : image.repoTags
            for name in names {
                let (repository, tag) = Self.split(name)
                table.add([repository, tag, Display.shortID(image.id), Display.size(image.size)])
            }
        }
        return table.text
    }

    func stats(_ stats: [CRI.ContainerStats]) -> String {
        guard format == .table else { return JSON.object([.init(name: "stats", value: list(stats))]).text }
        var table = Table(["CONTAINER", "NAME", "CPU TIME", "MEMORY", "DISK"])
        for one in stats {
            let nanoseconds = one.cpu?.usageCoreNanoSeconds?.value ?? 0
            table.add([
                Display.shortID(one.attributes?.id ?? ""), one.attributes?.metadata?.name ?? "",
                "\(nanoseconds / 1_000_000_000).\(nanoseconds / 100_000_000 % 10)s",
                Display.size(one.memory?.workingSetBytes?.value ?? 0),
                Display.size(one.writableLayer?.usedBytes?.value ?? 0),
            ])
        }
        return table.text
    }

    func info(_ status: CRI.StatusResponse) -> String {
        guard format == .table else { return JSON(message: status).text }
        var text = ""
        var conditions = Table(["CONDITION", "STATUS", "REASON", "MESSAGE"])
        for one in status.status?.conditions ?? [] {
            conditions.add([one.type, one.status ? "yes" : "no", one.reason, one.message])
        }
        text += conditions.text
        if !status.runtimeHandlers.isEmpty {
            let handlers = status.runtimeHandlers.map { $0.name.isEmpty ? "(default)" : $0.name }
            text += "\nRuntime handlers: \(Table.printable(handlers.joined(separator: ", ")))\n"
        }
        for (name, value) in status.info.sorted(by: { $0.key < $1.key }) {
            text += "\n\(Table.printable(name)):\n\(Self.printableLines(value))\n"
        }
        return text
    }

    /// Always JSON: an object with everything the runtime says about one thing.
    func object(_ message: Any) -> String { JSON(message: message).text }

    private func list(_ messages: [some Any]) -> JSON { .array(messages.map { JSON(message: $0) }) }

    private static func printableLines(_ text: String) -> String {
        text.split(separator: "\n", omittingEmptySubsequences: false).map { Table.printable(String($0)) }
            .joined(separator: "\n")
    }

    /// A digest is shortened, a name is not.
    static func shortImage(_ image: String) -> String {
        image.hasPrefix("sha256:") ? Display.shortID(image) : image
    }

    /// `host:5000/a/b:1` → (`host:5000/a/b`, `1`); `a@sha256:…` → (`a`, `<none>`).
    static func split(_ name: String) -> (repository: String, tag: String) {
        if let at = name.firstIndex(of: "@") { return (String(name[..<at]), "<none>") }
        guard let colon = name.lastIndex(of: ":"), !name[colon...].contains("/") else { return (name, "latest") }
        return (String(name[..<colon]), String(name[name.index(after: colon)...]))
    }
}
