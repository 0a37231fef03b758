import KubeAPI

/// The pods of a directory of manifests: what every file said last, and what it says while it cannot be read. Pure state;
/// ``ManifestDirectory`` feeds it.
struct ManifestSet: Sendable {
    private struct File: Sendable {
        var pods: [Pod] = []
        /// The last reading failed, wholly or in part: pods may be missing that are meant to be there.
        var isBroken = false
    }

    let nodeName: String
    private var files: [String: File] = [:]
    private var reportedDuplicates: Set<String> = []

    init(nodeName: String) { self.nodeName = nodeName }

    /// Takes in the content of a file.
    /// - Returns: one message for every object in it that is no valid pod. Pods the file had before stay unless the new
    ///   content has them: a slip of the pen stops nothing.
    mutating func update(_ name: String, bytes: [UInt8], path: String) -> [KubeAPIError] {
        let manifest = Pod.manifest(bytes, file: path)
        var file = File()
        file.pods = manifest.pods.map { StaticPod.make($0, file: name, nodeName: nodeName) }
        file.isBroken = !manifest.failures.isEmpty
        if file.isBroken {
            let names = Set(file.pods.map(\.fullName))
            file.pods += files[name]?.pods.filter { !names.contains($0.fullName) } ?? []
        }
        files[name] = file
        return manifest.failures
    }

    /// The file is there and cannot be read: what it had stays.
    mutating func unreadable(_ name: String) { files[name, default: File()].isBroken = true }

    /// Forgets files that are gone.
    mutating func keep(only names: Set<String>) { files = files.filter { names.contains($0.key) } }

    /// Files that may mean pods nobody can read now.
    var brokenFiles: Set<String> { Set(files.filter(\.value.isBroken).keys) }

    /// What should run. Of two files with a pod of one name the first by name counts.
    /// - Returns: the pods, and a message for every name that is newly taken twice.
    mutating func pods() -> (pods: [Pod], problems: [String]) {
        var pods: [Pod] = []
        var owners: [String: String] = [:]
        var problems: [String] = []
        var duplicates: Set<String> = []
        for (name, file) in files.sorted(by: { $0.key < $1.key }) {
            for pod in file.pods {
                guard let owner = owners[pod.fullName] else {
                    owners[pod.fullName] = name
                    pods.append(pod)
                    continue
                }
                let problem =
                    "\(name): the pod \(pod.fullName) is already in \(owner) and is left out here: give one of them "
                    + "another name or namespace"
                duplicates.insert(problem)
                if !reportedDuplicates.contains(problem) { problems.append(problem) }
            }
        }
        reportedDuplicates = duplicates
        return (pods, problems)
    }
}
