/// The labels that make a Docker object ours.
enum DockerLabels {
    /// The instance id of the root directory whose shim made the object: two shims on one engine never touch each other's.
    static let instance = "io.vzcri.instance"
    /// `pause`, `container` or `helper`.
    static let kind = "io.vzcri.kind"
    static let sandbox = "io.vzcri.sandbox"
    /// A ``ContainerRecord`` as JSON.
    static let config = "io.vzcri.config"
    /// On a pause container: the program in it is ours, of this source.
    static let helper = "io.vzcri.helper"
    /// For people who look with `docker ps`.
    static let pod = "io.vzcri.pod"
    static let container = "io.vzcri.container"

    enum Kind {
        static let pause = "pause"
        static let container = "container"
        static let helper = "helper"
    }
}

/// Names of Docker objects: unique by a random or id part, readable by the rest.
enum DockerNames {
    static func pause(_ record: SandboxRecord) -> String {
        name([record.metadata.name, record.metadata.namespace, "pause"], unique: record.id.prefix(12))
    }

    static func container(_ name: String, attempt: UInt32, in sandbox: SandboxRecord, unique: String) -> String {
        self.name([sandbox.metadata.name, sandbox.metadata.namespace, name, String(attempt)], unique: unique[...])
    }

    /// Docker takes letters, digits, `_`, `.` and `-`.
    private static func name(_ parts: [String], unique: Substring) -> String {
        let cleaned = parts.map { part in
            String(
                part.map { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "-") ? $0 : "-" }.prefix(40))
        }
        return "vzcri_" + cleaned.joined(separator: "_") + "_" + unique
    }
}
