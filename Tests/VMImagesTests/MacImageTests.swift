import Foundation
import Logging
import Testing

@testable import VMImages

@Suite("Images of macOS guests")
struct MacImageTests {
    private static let model = Array("bplist00 of a Mac".utf8)
    private static var base64: String { Data(model).base64EncodedString() }

    /// A directory of a fixture's own with these files.
    private func directory(_ fixture: Fixture, _ name: String, _ files: [String: [UInt8]]) throws -> String {
        let path = fixture.directory + "/" + name
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        for (file, bytes) in files { try Data(bytes).write(to: URL(filePath: path + "/" + file)) }
        return path
    }

    private static let disk = [UInt8](repeating: 7, count: 1024)
    private static let storage = Array("auxiliary".utf8)

    private static func json(_ text: String) -> [UInt8] { Array(text.replacing("MODEL", with: base64).utf8) }

    struct Layout: CustomTestStringConvertible, Sendable {
        var testDescription: String
        var files: [String: [UInt8]]
        var cpus: Int?
        var memoryBytes: Int64?
    }

    static let layouts = [
        Layout(
            testDescription: "Apple's samples",
            files: [
                "Disk.img": disk, "AuxiliaryStorage": storage, "HardwareModel": model, "MachineIdentifier": [1],
            ]),
        Layout(
            testDescription: "macosvm",
            files: [
                "disk.img": disk, "aux.img": storage,
                "vm.json": json(
                    #"{"version":1,"cpus":4,"ram":8589934592,"hardwareModel":"MODEL","machineId":"eA==","audio":false}"#
                ),
            ], cpus: 4, memoryBytes: 8 << 30),
        Layout(
            testDescription: "Tart",
            files: [
                "disk.img": disk, "nvram.bin": storage,
                "config.json": json(
                    #"{"os":"darwin","arch":"arm64","ecid":"eA==","hardwareModel":"MODEL","cpuCount":6,"memorySize":4294967296}"#
                ),
            ], cpus: 6, memoryBytes: 4 << 30),
        Layout(
            testDescription: "Agoda",
            files: [
                "disk.img": disk, "aux.img": storage,
                "config.json": json(
                    #"{"os":"darwin","hardwareModelData":"MODEL","machineIdData":"eA==","storage":[]}"#),
            ]),
    ]

    @Test("a bundle of any kind makes the same image", arguments: layouts)
    func bundles(_ layout: Layout) throws {
        let fixture = try Fixture()
        let bundle = try MacBundle.read(try directory(fixture, "vm", layout.files))
        var request = ImageImport(name: "localhost/mac:15", macOS: bundle)
        #expect(request.cpus == layout.cpus)
        #expect(request.memoryBytes == layout.memoryBytes)
        (request.cpus, request.memoryBytes) = (nil, nil)
        let image = try fixture.store.importImage(request)
        #expect(image.config.os == .macos)
        #expect(image.config.architecture == "arm64")
        let lease = try #require(try fixture.store.lease("localhost/mac:15"))
        guard case .mac(let model, let storage) = lease.files.boot else {
            Issue.record("\(lease.files.boot)")
            return
        }
        // What was in base64 is not any more; the identifier of the Mac it was made on is nobody else's.
        #expect(try bytes(of: model) == Self.model)
        #expect(try bytes(of: storage) == Self.storage)
        #expect(try bytes(of: lease.files.disks[0].path) == Self.disk)
        #expect(lease.files.disks[0].format == .raw)
        #expect(try fixture.files().filter { $0.hasPrefix("/blobs") }.count == 5)
    }

    @Test("what is missing is named, all of it")
    func incomplete() throws {
        let fixture = try Fixture()
        let whole = Self.layouts[0].files
        for (index, (file, words)) in [
            ("Disk.img", "its disk"), ("AuxiliaryStorage", "its auxiliary storage"),
            ("HardwareModel", "its hardware model"),
        ].enumerated() {
            var files = whole
            files[file] = nil
            let path = try directory(fixture, "\(index)", files)
            let error = #expect(throws: VMImageError.self) { try MacBundle.read(path) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("lacks \(words)") == true, "\(error as Any)")
            // What is elsewhere can be named.
            let bundle = try MacBundle.read(
                path, disk: "/d", auxiliaryStorage: "/a", hardwareModel: try MacHardwareModel(Self.model, of: "m"))
            #expect(bundle.disk == "/d")
            #expect(bundle.auxiliaryStorage == "/a")
        }
        let nothing = try directory(fixture, "nothing", [:])
        let error = #expect(throws: VMImageError.self) { try MacBundle.read(nothing) }
        for words in ["its disk", "its auxiliary storage", "its hardware model", "--hardware-model"] {
            #expect(error?.message.contains(words) == true)
        }
        #expect(throws: VMImageError.self) { try MacBundle.read(fixture.directory + "/none") }
    }

    @Test("what is no macOS guest is refused, and leaves nothing")
    func refused() throws {
        let fixture = try Fixture()
        var linux = Self.layouts[2].files
        linux["config.json"] = Array(#"{"os":"linux"}"#.utf8)
        let path = try directory(fixture, "linux", linux)
        #expect(throws: VMImageError.self) { try MacBundle.read(path) }
        linux["config.json"] = Array("no json".utf8)
        let junk = try directory(fixture, "junk", linux)
        #expect(throws: VMImageError.self) { try MacBundle.read(junk) }

        let bundle = try MacBundle.read(try directory(fixture, "vm", Self.layouts[0].files))
        let model = bundle.hardwareModel
        #expect(throws: VMImageError.self) { try MacHardwareModel([], of: "empty") }
        let large = try fixture.file("large", [UInt8](repeating: 1, count: (64 << 10) + 1))
        #expect(throws: VMImageError.self) { try MacHardwareModel(file: large) }
        #expect(throws: VMImageError.self) { try MacHardwareModel(file: "/nonexistent") }
        let qcow2: [UInt8] =
            [0x51, 0x46, 0x49, 0xfb, 0, 0, 0, 3] + [UInt8](repeating: 0, count: 16) + [0, 0, 0, 0, 0, 1, 0, 0]
            + [UInt8](repeating: 0, count: 480)
        let boot = ImageImport.Boot.mac(hardwareModel: model, auxiliaryStorage: bundle.auxiliaryStorage)
        let disk = bundle.disk
        let wrong: [(ImageImport, String)] = [
            (ImageImport(name: "a", os: .macos, architecture: "arm64", boot: boot), "its disk"),
            (ImageImport(name: "a", os: .macos, architecture: "amd64", boot: boot, disks: [disk]), "arm64"),
            (ImageImport(name: "a", os: .linux, architecture: "arm64", boot: boot, disks: [disk]), "only a macOS"),
            (
                ImageImport(
                    name: "a", os: .macos, architecture: "arm64", boot: .efi(variables: nil), disks: [disk]),
                "hardware model"
            ),
            (
                ImageImport(
                    name: "a", os: .macos, architecture: "arm64", boot: boot, disks: [try fixture.file("q", qcow2)]),
                "qemu-img convert -O raw"
            ),
            (
                ImageImport(
                    name: "a", os: .macos, architecture: "arm64",
                    boot: .mac(hardwareModel: model, auxiliaryStorage: "/nonexistent"), disks: [disk]), "No such file"
            ),
        ]
        for (request, why) in wrong {
            let error = try #require(throws: VMImageError.self, "\(why)") { try fixture.store.importImage(request) }
            #expect(error.message.contains(why), "\(error)")
        }
        #expect(try fixture.store.list().isEmpty)
        #expect(try fixture.files().filter { $0.hasPrefix("/blobs") || $0.hasPrefix("/disks") }.isEmpty)
    }

    @Test("the files of an image in use stay, also those a machine only reads")
    func kept() throws {
        let fixture = try Fixture()
        let bundle = try MacBundle.read(try directory(fixture, "vm", Self.layouts[0].files))
        let image = try fixture.store.importImage(ImageImport(name: "mac", macOS: bundle))
        guard case .mac(let model, _) = fixture.store.files(of: image).boot else { return }
        let name = "sha256:" + model.suffix(64)
        let removal = try fixture.store.remove("mac") { [name] }
        #expect(removal?.isDeleted == false)
        #expect(FileManager.default.fileExists(atPath: model))
        #expect(try fixture.store.collect { [] }.images == [image.id])
        #expect(try fixture.files().filter { $0.hasPrefix("/blobs") || $0.hasPrefix("/disks") }.isEmpty)
    }
}
