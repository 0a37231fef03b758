import HostFiles
import KubeAPI

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What this machine is (`nodeInfo`). Blocks.
enum SystemFacts {
    /// The version of Kubernetes whose kubelet we are like.
    static let kubernetesVersion = "v1.36.2"

    static func info(version: String) -> NodeSystemInfo {
        var names = utsname()
        uname(&names)
        var info = NodeSystemInfo()
        info.kernelVersion = text(of: names.release)
        info.operatingSystem = text(of: names.sysname).lowercased()
        info.architecture = architecture(text(of: names.machine))
        info.kubeletVersion = "\(kubernetesVersion)-vz-cri-\(version)"
        info.machineID = machineID
        info.systemUUID = info.machineID
        info.bootID = bootID
        info.osImage = osImage ?? "\(info.operatingSystem) \(info.kernelVersion)"
        return info
    }

    /// Go's names of architectures, which Kubernetes uses.
    static func architecture(_ machine: String) -> String {
        switch machine {
        case "x86_64": "amd64"
        case "aarch64": "arm64"
        default: machine
        }
    }

    static func text<Characters>(of characters: Characters) -> String {
        withUnsafeBytes(of: characters) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }

    static func line(_ path: String) -> String? {
        guard let bytes = try? SmallFile.read(path, limit: 1 << 16) else { return nil }
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").first.map(String.init)
    }
}
