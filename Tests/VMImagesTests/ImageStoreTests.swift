import HostFiles
import Testing
import VMImages

@Suite struct ImageStoreTests {
    @Test("an image that was imported is found by every way of naming it, also by another process")
    func names() throws {
        let fixture = try Fixture()
        let image = try fixture.add("localhost/guest:1")
        #expect(image.id.hasPrefix("sha256:") && image.id.utf8.count == 71)
        #expect(image.names == ["localhost/guest:1"])
        #expect(image.digests == ["localhost/guest@\(image.id)"])
        let hex = String(image.id.dropFirst(7))
        for name in [
            "localhost/guest:1", image.id, hex, "localhost/guest@\(image.id)", "localhost/guest:1@\(image.id)",
        ] {
            #expect(try fixture.another.resolve(name) == image, "\(name)")
        }
        for name in [
            "localhost/guest", "guest:1", "other@\(image.id)", String(hex.prefix(12)), "Not A Name", "", "sha256:12",
        ] {
            #expect(try fixture.store.resolve(name) == nil, "\(name)")
        }
        #expect(try fixture.store.resolve(String(hex.prefix(12)), prefixes: true) == image)
        #expect(try fixture.store.resolve("sha256:" + hex.prefix(12), prefixes: true) == image)
        #expect(try fixture.store.resolve(String(hex.prefix(3)), prefixes: true) == nil)
    }

    @Test(
        "names without registry or tag mean what Docker means",
        arguments: [
            ("guest", "docker.io/library/guest:latest", "guest:latest"),
            ("team/guest:2", "docker.io/team/guest:2", "team/guest:2"),
            ("index.docker.io/library/guest", "guest", "guest:latest"),
            ("registry.example:5000/guest", "registry.example:5000/guest:latest", "registry.example:5000/guest:latest"),
        ])
    func normalised(given: String, asked: String, shown: String) throws {
        let fixture = try Fixture()
        let image = try fixture.add(given)
        #expect(image.names == [shown])
        #expect(try fixture.store.resolve(asked)?.id == image.id)
        #expect(try fixture.store.resolve(given)?.id == image.id)
    }

    @Test("the same files make the same image; several names share it, and one name has one image")
    func sharing() throws {
        let fixture = try Fixture()
        let first = try fixture.add("a:1")
        let again = try fixture.add("b:1")
        #expect(first.id == again.id)
        #expect(again.names == ["a:1", "b:1"])
        #expect(try fixture.store.list().count == 1)
        let other = try fixture.add("a:1", kernel: "newer")
        #expect(other.id != first.id)
        #expect(try fixture.store.resolve("a:1")?.id == other.id)
        #expect(try fixture.store.resolve("b:1")?.names == ["b:1"])
        #expect(try fixture.store.tag("b:1", as: "c").names == ["b:1", "c:latest"])
        #expect(try fixture.store.tag(String(other.id.dropFirst(7).prefix(12)), as: "b:1").names == ["a:1", "b:1"])
        #expect { try fixture.store.tag("none", as: "d") } throws: { ($0 as? VMImageError)?.code == .notFound }
        #expect { try fixture.store.tag("a:1", as: "d@\(first.id)") } throws: {
            ($0 as? VMImageError)?.code == .invalidArgument
        }
    }

    @Test("everything said about a guest is kept, and its files are where the store says")
    func contents() throws {
        let fixture = try Fixture()
        var request = ImageImport(
            name: "guest", architecture: "aarch64",
            boot: .kernel(
                path: try fixture.file("k", [1, 2]), initrd: try fixture.file("i", [3]), commandLine: "a=\"b c\" d"),
            disks: [try fixture.file("d1", size: 1 << 20, [(4096, [7])]), try fixture.file("d2", size: 512, [])])
        request.cpus = 2
        request.memoryBytes = 1 << 30
        request.login = VMImageLogin(user: "root", keyFile: "/keys/guest")
        let image = try fixture.store.importImage(request)
        let found = try #require(try fixture.another.resolve("guest"))
        #expect(found == image)
        #expect(found.config.os == .linux)
        #expect(found.config.architecture == "arm64")
        #expect(found.config.cpus == 2)
        #expect(found.config.memoryBytes == 1 << 30)
        #expect(found.config.login == request.login)
        #expect(found.size > 0)
        let files = fixture.store.files(of: found)
        guard case .kernel(let kernel, let initrd?, let commandLine) = files.boot else {
            Issue.record("no kernel: \(files)")
            return
        }
        #expect(try bytes(of: kernel) == [1, 2])
        #expect(try bytes(of: initrd) == [3])
        #expect(commandLine == "a=\"b c\" d")
        #expect(files.disks.map(\.capacity) == [1 << 20, 512])
        #expect(try bytes(of: files.disks[0].path)[4096] == 7)
        #expect(fixture.store.disk(of: found) == files.disks[0])
    }

    @Test("an image started by firmware has a disk, and may have the firmware's variables")
    func firmware() throws {
        let fixture = try Fixture()
        let disk = try fixture.file("d", size: 1024, [(0, [9])])
        let variables = try fixture.file("v", [5])
        let image = try fixture.store.importImage(
            ImageImport(name: "efi", boot: .efi(variables: variables), disks: [disk]))
        guard case .efi(let path?) = fixture.store.files(of: image).boot else {
            Issue.record("no variables")
            return
        }
        #expect(try bytes(of: path) == [5])
    }

    @Test("a store that was never written to is empty, and stays absent")
    func absent() throws {
        let fixture = try Fixture()
        #expect(try fixture.store.list().isEmpty)
        #expect(try fixture.store.resolve("x") == nil)
        #expect(try fixture.store.lease("x") == nil)
        #expect(try fixture.store.remove("x") { [] } == nil)
        #expect(try fixture.store.collect { [] }.images.isEmpty)
        #expect(try fixture.store.usage().bytes == 0)
        #expect(try fixture.files().isEmpty)
    }

    @Test("what can never be an image is refused, with what to do, and leaves nothing behind")
    func refused() throws {
        let fixture = try Fixture()
        let kernel = try fixture.file("k", [1])
        let disk = try fixture.file("d", size: 512, [])
        let boot = ImageImport.Boot.kernel(path: kernel, initrd: nil, commandLine: "")
        var wrong: [(ImageImport, String)] = [
            (ImageImport(name: "Bad Name", boot: boot), "no image name"),
            (ImageImport(name: "a@sha256:" + String(repeating: "0", count: 64), boot: boot), "new image's name"),
            (ImageImport(name: "a", architecture: "m68k", boot: boot), "amd64 and arm64"),
            (ImageImport(name: "a", os: .macos, architecture: "arm64", boot: boot), "not from a kernel"),
            (
                ImageImport(name: "a", os: .macos, architecture: "amd64", boot: .efi(variables: nil), disks: [disk]),
                "arm64"
            ),
            (ImageImport(name: "a", boot: .efi(variables: nil)), "give one"),
            (ImageImport(name: "a", boot: .kernel(path: kernel, initrd: nil, commandLine: "a\nb")), "one line"),
            (ImageImport(name: "a", boot: .kernel(path: "/nonexistent", initrd: nil, commandLine: "")), "No such file"),
            (ImageImport(name: "a", boot: .kernel(path: "/dev/null", initrd: nil, commandLine: "")), "regular file"),
            (ImageImport(name: "a", boot: .kernel(path: "/", initrd: nil, commandLine: "")), "regular file"),
            (ImageImport(name: "a", boot: boot, disks: [try fixture.file("e", [])]), "is empty"),
            (ImageImport(name: "a", boot: boot, disks: [kernel]), "multiple of 512"),
        ]
        var request = ImageImport(name: "a", boot: boot)
        request.cpus = 0
        wrong.append((request, "processors"))
        request.cpus = nil
        request.memoryBytes = 1
        wrong.append((request, "16 MiB"))
        request.memoryBytes = nil
        request.login = VMImageLogin(user: "a b")
        wrong.append((request, "no user"))
        request.login = VMImageLogin(user: "a", keyFile: "k")
        wrong.append((request, "absolute"))
        for (request, why) in wrong {
            let error = try #require(throws: VMImageError.self, "\(why)") { try fixture.store.importImage(request) }
            #expect(error.message.contains(why), "\(error)")
        }
        #expect(try fixture.files().isEmpty)
        #expect(try fixture.store.list().isEmpty)
    }
}
