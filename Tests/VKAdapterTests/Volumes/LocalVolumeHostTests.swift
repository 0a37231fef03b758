import KubeAPI
import Logging
import Testing

@testable import VKAdapter

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A directory that is gone when the test is.
final class TemporaryDirectory: Sendable {
    let path: String

    init() throws {
        var template = Array("/tmp/vkvol-XXXXXX".utf8CString)
        guard mkdtemp(&template) != nil else { throw AdapterError(.failed, "no temporary directory") }
        path = try SystemCall.realPath(template.withUnsafeBufferPointer { String(cString: $0.baseAddress!) })
    }

    deinit { try? SystemCall.removeTree(path) }

    func make(_ name: String) throws -> String {
        try SystemCall.makeDirectories("\(path)/\(name)", mode: 0o755)
        return "\(path)/\(name)"
    }

    func write(_ name: String, _ text: String = "") throws {
        try SystemCall.write("\(path)/\(name)", Array(text.utf8), mode: 0o644)
    }

    func link(_ name: String, to target: String) throws {
        guard symlink(target, "\(path)/\(name)") == 0 else { throw SystemCall.failure("link", name) }
    }

    func exists(_ name: String) throws -> Bool { try SystemCall.status("\(path)/\(name)") != nil }
}

@Suite struct LocalVolumeHostTests {
    let directory: TemporaryDirectory
    let host: LocalVolumeHost
    let volumes: PodVolumes

    init() throws {
        directory = try TemporaryDirectory()
        host = LocalVolumeHost(root: directory.path + "/state")
        volumes = PodVolumes(
            host: host, mapping: MappingContext(), logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
    }

    func pod(_ volumes: [Volume], mounts: [(String, String)] = []) -> Pod {
        Sample.pod {
            $0.spec.volumes = volumes
            $0.spec.containers[0].volumeMounts = mounts.map { name, subPath in
                VolumeMount {
                    $0.name = name
                    $0.mountPath = "/mnt/\(name)\(subPath)"
                    $0.subPath = subPath
                }
            }
        }
    }

    func hostPath(_ path: String, _ type: String) -> Volume {
        Volume {
            $0.name = "v"
            $0.hostPath = HostPathVolume {
                $0.path = path
                $0.type = type
            }
        }
    }

    @Test("an emptyDir is open to every user, keeps what is in it, and goes with the pod")
    func emptyDir() async throws {
        let pod = pod([Volume { $0.name = "v" }], mounts: [("v", ""), ("v", "a/b")])
        try await volumes.prepare(pod)
        let paths = try await volumes.paths(
            pod, pod.spec.containers[0], attempt: 0, subPaths: ["", "a/b"], hosts: "127.0.0.1 localhost\n")
        let volume = directory.path + "/state/pods/1234-uid/volumes/kubernetes.io~empty-dir/v"
        #expect(paths.volumeMounts == [volume, volume + "/a/b"])
        for path in paths.volumeMounts { #expect(try SystemCall.status(path).map { $0.st_mode & 0o777 } == 0o777) }
        #expect(try SystemCall.read(#require(paths.hosts), limit: 100) == Array("127.0.0.1 localhost\n".utf8))

        try SystemCall.write(volume + "/kept", [1], mode: 0o600)
        try await volumes.prepare(pod)
        #expect(try SystemCall.read(volume + "/kept", limit: 10) == [1])
        #expect(try await host.podsWithData() == ["1234-uid"])
        try await host.removePod(uid: "1234-uid")
        try await host.removePod(uid: "1234-uid")
        #expect(try await host.podsWithData().isEmpty)
    }

    @Test("a container's last words are read from its own file, 4096 bytes at most")
    func terminationMessage() async throws {
        let pod = pod([])
        let container = pod.spec.containers[0]
        let paths = try await volumes.paths(pod, container, attempt: 1, subPaths: [], hosts: nil)
        let file = try #require(paths.terminationMessage)
        #expect(try SystemCall.status(file).map { $0.st_mode & 0o777 } == 0o666)
        #expect(try await host.terminationMessage(podUID: "1234-uid", container: "c", attempt: 1) == nil)
        try SystemCall.write(file, Array(repeating: UInt8(ascii: "x"), count: 5000), mode: 0o666)
        #expect(try await host.terminationMessage(podUID: "1234-uid", container: "c", attempt: 1)?.utf8.count == 4096)
        #expect(try await host.terminationMessage(podUID: "1234-uid", container: "c", attempt: 2) == nil)
        // Preparing the same run again loses nothing.
        _ = try await volumes.paths(pod, container, attempt: 1, subPaths: [], hosts: nil)
        #expect(try await host.terminationMessage(podUID: "1234-uid", container: "c", attempt: 1) != nil)
    }

    @Test("host path types are checked, and made where they say so")
    func hostPaths() async throws {
        let dir = try directory.make("dir")
        try directory.write("file")
        let base = directory.path
        let cases: [(String, String, String?)] = [
            (dir, "Directory", nil), (dir, "DirectoryOrCreate", nil), (dir, "File", "is not a file"),
            ("\(base)/file", "File", nil), ("\(base)/file", "Directory", "is not a directory"),
            ("\(base)/file", "FileOrCreate", nil), ("\(base)/file", "Socket", "is not a socket file"),
            ("\(base)/new/deep", "DirectoryOrCreate", nil), ("\(base)/new/file", "FileOrCreate", nil),
            ("\(base)/none", "Directory", "is not a directory"), ("\(base)/none", "File", "is not a file"),
            ("\(base)/none", "", nil), ("/dev/null", "CharDevice", nil),
            ("/dev/null", "BlockDevice", "is not a block device"), (dir, "Magic", "Magic is an invalid volume type"),
            ("relative", "", "must be an absolute path"), ("\(base)/../x", "", "must be an absolute path"),
        ]
        for (path, type, problem) in cases {
            let pod = pod([hostPath(path, type)], mounts: [("v", "")])
            if let problem {
                let error = await #expect(throws: AdapterError.self, "\(type) \(path)") {
                    try await volumes.prepare(pod)
                }
                #expect(error?.message.contains(problem) == true, "\(error?.message ?? "")")
                #expect(error?.message.hasPrefix("MountVolume.SetUp failed for volume \"v\" : ") == true)
            } else {
                try await volumes.prepare(pod)
                let paths = try await volumes.paths(pod, pod.spec.containers[0], attempt: 0, subPaths: [""], hosts: nil)
                #expect(paths.volumeMounts == [path])
            }
        }
        #expect(try directory.exists("new/deep") && directory.exists("new/file") && !directory.exists("none"))
    }

    @Test("volumes nobody can provide here are refused with the reason")
    func unsupported() async throws {
        let volume = Volume {
            $0.name = "v"
            $0.unknownFields = [Member("nfs", Value(.object([])))]
        }
        let error = await #expect(throws: AdapterError.self) {
            try await volumes.prepare(pod([volume], mounts: [("v", "")]))
        }
        #expect(error?.message.contains("nfs") == true)
    }

    @Test("names that are paths are refused", arguments: ["", ".", "..", "a/b", "../x", "a\u{0}b"])
    func names(name: String) async {
        await #expect(throws: AdapterError.self) { try await host.removePod(uid: name) }
        await #expect(throws: AdapterError.self) {
            try await host.terminationMessage(podUID: "u", container: name, attempt: 0)
        }
    }
}
