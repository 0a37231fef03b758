import Foundation
import HostFiles
import Support
import Testing

@testable import VKAdapter

/// What every place for the files of pods promises.
@Suite(.timeLimit(.minutes(2))) struct VolumeHostContract {
    private func with(_ side: Side, _ body: @escaping @Sendable (any VolumeHost, String) async throws -> Void)
        async throws
    {
        switch side {
        case .local:
            try await withTemporaryDirectory { given in
                let directory = try SystemFiles.realPath(given)
                try await body(LocalVolumeHost(root: directory + "/state"), directory)
            }
        case .remote:
            try await HostServer.with { try await body(RemoteVolumeHost(host: $0.host()), $0.directory) }
        }
    }

    private func text(_ path: String) throws -> String {
        String(decoding: try Data(contentsOf: URL(filePath: path)), as: UTF8.self)
    }

    private func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

    private func mode(_ path: String) throws -> mode_t? { try SystemFiles.status(path).map { $0.st_mode & 0o777 } }

    private func refused(_ body: @escaping () async throws -> Void) async -> String {
        do {
            try await body()
            return "nothing was refused"
        } catch let error as AdapterError where error.code == .invalidArgument {
            return error.message
        } catch {
            return "another error: \(error)"
        }
    }

    @Test(arguments: Side.allCases)
    func `a volume of files is what it was synced to be`(side: Side) async throws {
        try await with(side) { host, _ in
            var content = VolumeContent(files: [
                .init(path: "a", content: Array("1".utf8), mode: 0o600),
                .init(path: "d/b", content: [0, 255, 10], mode: 0o444),
            ])
            let path = try await host.sync(pod: "u", volume: "v", content)
            #expect(try text(path + "/a") == "1" && mode(path + "/a") == 0o600 && mode(path + "/d/b") == 0o444)
            #expect(try Data(contentsOf: URL(filePath: path + "/d/b")) == Data([0, 255, 10]))
            content.files = [.init(path: "a", content: Array("2".utf8))]
            #expect(try await host.sync(pod: "u", volume: "v", content) == path)
            #expect(try text(path + "/a") == "2" && mode(path + "/a") == 0o644)
            #expect(!exists(path + "/d"))
            let found = try await host.mount(.volume("v"), subPath: "a", readOnly: true, pod: "u")
            #expect(try text(found) == "2")
        }
    }

    @Test(arguments: Side.allCases)
    func `an empty directory is open to all, kept, and counted`(side: Side) async throws {
        try await with(side) { host, _ in
            let path = try await host.sync(pod: "u", volume: "v", .empty(sizeLimit: 1 << 20))
            #expect(try mode(path) == 0o777)
            try SystemFiles.write(path + "/kept", [UInt8](repeating: 7, count: 100_000), mode: 0o600)
            #expect(try await host.sync(pod: "u", volume: "v", .empty(sizeLimit: 1 << 20)) == path)
            #expect(exists(path + "/kept"))
            let use = try #require(try await host.usage(pod: "u").first)
            #expect(use.name == "v" && use.usedBytes >= 100_000 && use.inodesUsed == 2 && use.capacityBytes > 0)
            #expect(try await host.usage(pod: "other").isEmpty)
            let below = try await host.mount(.volume("v"), subPath: "x/y", readOnly: false, pod: "u")
            #expect(try below == path + "/x/y" && mode(below) == 0o777)
        }
    }

    @Test(arguments: Side.allCases)
    func `pods with files are listed until they are removed`(side: Side) async throws {
        try await with(side) { host, _ in
            #expect(try await host.podsWithData().isEmpty)
            let path = try await host.sync(pod: "u", volume: "v", .empty())
            _ = try await host.containerFiles(pod: "w", container: "c", attempt: 0, hosts: nil)
            #expect(try await host.podsWithData() == ["u", "w"])
            try await host.removePod(uid: "u")
            try await host.removePod(uid: "u")
            #expect(try await host.podsWithData() == ["w"])
            #expect(!exists(path))
        }
    }

    @Test(arguments: Side.allCases)
    func `a container's last words are the end of its file`(side: Side) async throws {
        try await with(side) { host, _ in
            let files = try await host.containerFiles(pod: "u", container: "c", attempt: 3, hosts: "127.0.0.1 me\n")
            let hosts = try #require(files.hosts)
            #expect(try text(hosts) == "127.0.0.1 me\n" && mode(files.terminationMessage) == 0o666)
            #expect(try await host.terminationMessage(podUID: "u", container: "c", attempt: 3) == nil)
            let words = String(repeating: "a", count: 4000) + String(repeating: "z", count: 4000)
            try SystemFiles.write(files.terminationMessage, Array(words.utf8), mode: 0o666)
            #expect(
                try await host.terminationMessage(podUID: "u", container: "c", attempt: 3)
                    == String(words.suffix(4096)))
            #expect(try await host.terminationMessage(podUID: "u", container: "c", attempt: 4) == nil)
            let again = try await host.containerFiles(pod: "u", container: "c", attempt: 3, hosts: nil)
            #expect(again.hosts == nil && again.terminationMessage == files.terminationMessage)
            #expect(try await host.terminationMessage(podUID: "u", container: "c", attempt: 3) != nil)
        }
    }

    @Test(arguments: Side.allCases)
    func `a host path is what the pod says it is, or refused with the reason`(side: Side) async throws {
        try await with(side) { host, directory in
            try SystemFiles.write(directory + "/file", [], mode: 0o644)
            func mount(_ path: String, _ type: String, _ subPath: String = "") async throws -> String {
                try await host.mount(.hostPath(path, type: type), subPath: subPath, readOnly: true, pod: "u")
            }
            #expect(try await mount(directory + "/new/deep", "DirectoryOrCreate") == directory + "/new/deep")
            #expect(exists(directory + "/new/deep"))
            #expect(try await mount(directory + "/new", "Directory", "deep") == directory + "/new/deep")
            #expect(try await mount("/dev/null", "CharDevice") == "/dev/null")
            let cases = [
                (directory + "/file", "Directory", "", "is not a directory"), (directory, "File", "", "is not a file"),
                ("relative", "", "", "must be an absolute path"), ("", "", "", "must be an absolute path"),
                (directory + "/../x", "", "", "must be an absolute path"),
                (directory, "Magic", "", "Magic is an invalid volume type"),
                (directory + "/new", "", "../file", "leads out of the volume"),
            ]
            for (path, type, subPath, reason) in cases {
                let said = await refused { _ = try await mount(path, type, subPath) }
                #expect(said.contains(reason), "\(path) \(type): \(said)")
            }
        }
    }

    @Test(arguments: Side.allCases)
    func `hostile names and paths reach nothing`(side: Side) async throws {
        try await with(side) { host, directory in
            try SystemFiles.makeDirectories(directory + "/secret", mode: 0o755)
            let hostile = [
                "", ".", "..", "../x", "a/b", "/etc", "../../../../secret", String(repeating: "n", count: 300),
            ]
            for name in hostile {
                let tries: [@Sendable () async throws -> Void] = [
                    { _ = try await host.sync(pod: name, volume: "v", .empty()) },
                    { _ = try await host.sync(pod: "u", volume: name, .empty()) },
                    { _ = try await host.mount(.volume(name), subPath: "", readOnly: true, pod: "u") },
                    { _ = try await host.containerFiles(pod: "u", container: name, attempt: 0, hosts: nil) },
                    { _ = try await host.terminationMessage(podUID: "u", container: name, attempt: 0) },
                    { _ = try await host.usage(pod: name) }, { try await host.removePod(uid: name) },
                ]
                for attempt in tries {
                    let said = await refused(attempt)
                    #expect(said.contains("cannot be the name of a directory"), "\(name): \(said)")
                }
            }
            for path in ["/etc/x", "../x", "a/../../x", "..data", "a//b", "a/", String(repeating: "d/", count: 3000)] {
                let content = VolumeContent(files: [.init(path: path, content: [])])
                let said = await refused { _ = try await host.sync(pod: "u", volume: "v", content) }
                #expect(said.contains("volume"), "\(path): \(said)")
            }
            // Links a container made.
            let volume = try await host.sync(pod: "u", volume: "links", .empty())
            symlink(directory + "/secret", volume + "/out")
            symlink("loop", volume + "/loop")
            for path in ["out", "out/x", "loop", "..", "../..", "x/../../y"] {
                let said = await refused {
                    _ = try await host.mount(.volume("links"), subPath: path, readOnly: false, pod: "u")
                }
                #expect(said.contains("subPath"), "\(path): \(said)")
            }
            #expect(try FileManager.default.contentsOfDirectory(atPath: directory + "/secret").isEmpty)
            try await host.removePod(uid: "u")
            #expect(exists(directory + "/secret"))
        }
    }
}
