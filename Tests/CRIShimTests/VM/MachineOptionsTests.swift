import Foundation
import Proto
import Support
import Testing
import VZEngine

@testable import CRIShim

@Suite struct MachineOptionsTests {
    private static let linux = MachineImage(
        id: "sha256:1", boot: .kernel(path: "/k", initrd: nil, commandLine: "quiet"), credentials: .init(user: "root"))
    private static var efi: MachineImage {
        var image = linux
        image.boot = .efi(variables: nil)
        return image
    }
    private static var mac: MachineImage {
        var image = efi
        image.guestOS = .macos
        return image
    }

    private func options(
        _ container: [String: String] = [:], _ pod: [String: String] = [:], _ defaults: MachineDefaults = .init(),
        _ image: MachineImage = linux
    ) throws -> MachineOptions {
        try MachineOptions(container, pod, defaults: defaults, image: image, what: "container a")
    }

    @Test func `who says nothing gets nothing special, and a Mac its display`() throws {
        #expect(try options() == MachineOptions())
        #expect(try options([:], [:], .init(), Self.mac).screen == .init("1920x1200@80"))
    }

    @Test func `an annotation of the container counts before the pod's, and that before the configuration`() throws {
        var defaults = MachineDefaults()
        defaults.display = .init("800x600")
        defaults.holdOnFailure = 60
        defaults.bootArguments = "panic=5"
        defaults.nestedVirtualization = true
        let key = MachineOptions.display
        #expect(try options([:], [:], defaults).screen == .init("800x600@80"))
        #expect(try options([:], [key: "1024x768"], defaults).screen == .init("1024x768@80"))
        #expect(try options([key: "1280x720@120"], [key: "1024x768"], defaults).screen == .init("1280x720@120"))
        #expect(try options([key: "none"], [:], defaults).screen == nil)
        let plain = try options([:], [:], defaults)
        #expect(plain.hold == 60 && plain.kernelArguments == "panic=5" && plain.isNested)
        let own = try options(
            [
                MachineOptions.holdOnFailure: "0", MachineOptions.bootArguments: "debug",
                MachineOptions.nested: "false",
                MachineOptions.keepDisk: "true", MachineOptions.diskSize: "2Gi", MachineOptions.memoryRequest: "1Gi",
            ], [:], defaults)
        #expect(own.hold == 0 && own.kernelArguments == "debug" && !own.isNested && own.keepsDisk)
        #expect(own.diskBytes == 2 << 30 && own.memoryRequestBytes == 1 << 30)
        // What only some guests can is no fault of those that cannot, as long as it is a default.
        let mac = try options([:], [:], defaults, Self.mac)
        #expect(!mac.isNested && mac.kernelArguments == "")
    }

    @Test(arguments: [
        ("journalctl -f -o cat", ["/bin/sh", "-c", "journalctl -f -o cat"]),
        (#"["log", "stream"]"#, ["log", "stream"]),
    ]) func `a log command is a line for the shell, or a list of arguments`(_ text: String, _ command: [String]) throws
    {
        #expect(try options([MachineOptions.logCommand: text]).logCommandLine == command)
    }

    @Test(
        arguments: [
            (
                MachineOptions.display,
                ["", "1920", "1920x", "0x0", "-1x5", "1920x1080@", "1920x1080@80@80", "99999x1", "+800x600"]
            ),
            (MachineOptions.nested, ["yes", "1", "TRUE", ""]), (MachineOptions.keepDisk, ["yes", "True"]),
            (MachineOptions.diskSize, ["", "big", "-1Gi", "0", "1e3", "64GiB", "Gi", "99999999Pi"]),
            (MachineOptions.memoryRequest, ["lots"]),
            (MachineOptions.bootArguments, ["two\nlines", "umlaut ü", String(repeating: "x", count: 2049)]),
            (MachineOptions.logCommand, ["", "[]", "[1]", #"[""]"#, "[\"a\""]),
            (MachineOptions.holdOnFailure, ["30", "m", "30x", "-5m", "200h", "1m 5s", ""]),
        ])
    func `a bad value is refused with its annotation and what it says`(_ key: String, _ values: [String]) {
        for value in values {
            let error = #expect(throws: ShimError.self) { try options([key: value]) }
            #expect(error?.code == .invalidArgument, "\(key): \(value)")
            #expect(
                error?.message.contains("annotation \(key): \(value.debugDescription)") == true,
                "\(error?.message ?? "")")
        }
    }

    @Test func `what an image cannot have is refused`() {
        for (key, value, image) in [
            (MachineOptions.nested, "true", Self.mac), (MachineOptions.bootArguments, "debug", Self.efi),
            (MachineOptions.bootArguments, "debug", Self.mac),
        ] {
            let error = #expect(throws: ShimError.self) { try options([key: value], [:], .init(), image) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(key) == true)
        }
    }

    @Test func `boot arguments go behind the image's own`() throws {
        let options = try options([MachineOptions.bootArguments: "debug loglevel=7"])
        #expect(
            options.boot(Self.linux.boot) == .kernel(path: "/k", initrd: nil, commandLine: "quiet debug loglevel=7"))
        #expect(options.boot(Self.efi.boot) == Self.efi.boot)
    }

    @Test func `what was asked for is in the machine's record, and what was not is not`() throws {
        var config = MachineConfig(id: "a", sandboxID: "s", boot: Self.linux.boot, credentials: .init(user: "root"))
        try options().apply(to: &config)
        #expect(config.display == nil && config.nestedVirtualization == nil && config.holdOnFailure == nil)
        #expect(config.logCommand == nil && !config.keepsDisk)
        try options([
            MachineOptions.display: "1920x1080@90", MachineOptions.nested: "true",
            MachineOptions.holdOnFailure: "1h30m",
            MachineOptions.logCommand: "dmesg -w", MachineOptions.keepDisk: "true",
        ]).apply(to: &config)
        #expect(config.display == .init(width: 1920, height: 1080, pixelsPerInch: 90))
        #expect(config.nestedVirtualization == true && config.holdOnFailure == 5400 && config.keepsDisk)
        #expect(config.logCommand == ["/bin/sh", "-c", "dmesg -w"])
    }

    @Test(
        arguments: [
            ("1048576", 1 << 20), ("1", 1), ("64Gi", 64 << 30), ("1.5Gi", 3 << 29), ("500M", 500_000_000), ("1k", 1000),
            ("2Ti", 2 << 40), ("0.5", nil), ("0", nil), ("0Gi", nil), ("", nil), (".5Gi", nil), ("1..5Gi", nil),
            ("5 Gi", nil),
            ("5gi", nil), ("1e9", nil), ("-1", nil),
        ] as [(String, Int64?)]) func `amounts are read as Kubernetes writes them`(_ text: String, _ bytes: Int64?)
    {
        #expect(ByteCount.parse(text) == bytes)
    }

    // MARK: Sizes

    struct Wish: Sendable {
        var limit: Int64 = 0
        var request: String?
        var least: String?
        var image: Int64?
        var standard: Int64?
        var guest = MachineConfig.GuestOS.linux
        var mebibytes: Int64
    }

    @Test(arguments: [
        Wish(limit: 1 << 30, request: "2Gi", image: 4 << 30, mebibytes: 1024),
        Wish(request: "2Gi", least: "\(3 << 30)", image: 4 << 30, mebibytes: 2048),
        Wish(least: "\(3 << 30)", image: 4 << 30, mebibytes: 3072),
        Wish(image: 4 << 30, standard: 1 << 30, mebibytes: 4096),
        Wish(standard: 1 << 30, mebibytes: 1024), Wish(mebibytes: 512), Wish(guest: .macos, mebibytes: 8192),
        Wish(request: "1000000001", mebibytes: 954),
    ]) func `memory: limit, request, image, configuration, in this order`(_ wish: Wish) throws {
        var image = Self.linux
        image.guestOS = wish.guest
        image.memoryBytes = wish.image
        var defaults = MachineDefaults()
        defaults.memoryBytes = wish.standard
        let annotations = wish.request.map { [MachineOptions.memoryRequest: $0] } ?? [:]
        var resources = CRI.LinuxContainerResources()
        resources.memoryLimitInBytes = wish.limit
        if let least = wish.least { resources.unified["memory.min"] = least }
        let size = try MachineResources.size(
            .init(resources), wishes: try options(annotations, [:], defaults, image), image: image,
            host: .init(cpus: 8, memoryBytes: 16 << 30), what: "container a")
        #expect(size.memoryBytes == wish.mebibytes << 20)
    }

    @Test func `the configuration may give less than the host has, and what nobody asked for`() throws {
        var defaults = MachineDefaults()
        (defaults.cpus, defaults.maxCPUs, defaults.maxMemoryBytes) = (2, 3, 1 << 30)
        let host = MachineResources.Host(cpus: 8, memoryBytes: 16 << 30).limited(by: defaults)
        #expect(host.cpus == 3 && host.memoryBytes == 1 << 30)
        let wishes = try options([:], [:], defaults)
        #expect(try MachineResources.size(nil, wishes: wishes, image: Self.linux, host: host, what: "a").cpus == 2)
        var request = MachineResources.Request()
        request.cpuQuota = 350_000
        let error = #expect(throws: ShimError.self) {
            try MachineResources.size(request, wishes: wishes, image: Self.linux, host: host, what: "a")
        }
        #expect(error?.message.contains("asks for 4 cpus; a machine here may have 3") == true)
    }

    @Test func `a default disk size makes small disks larger and leaves large ones alone`() async throws {
        try await withTemporaryDirectory { directory async throws in
            let path = directory + "/disk"
            try Data(count: 4 << 20).write(to: URL(filePath: path))
            var image = Self.linux
            image.disks = [.init(path: path, format: .raw)]
            var defaults = MachineDefaults()
            defaults.diskBytes = 8 << 20
            #expect(try options([:], [:], defaults, image).diskBytes == 8 << 20)
            defaults.diskBytes = 2 << 20
            #expect(try options([:], [:], defaults, image).diskBytes == nil)
        }
    }

    @Test func `a container with a bad annotation takes no slot and leaves nothing`() async throws {
        try await VMBench.with { bench in
            let sandbox = try bench.sandbox()
            let error = await #expect(throws: ShimError.self) {
                _ = try await bench.create(in: sandbox) { $0.annotations = [MachineOptions.display: "big"] }
            }
            #expect(error?.code == .invalidArgument)
            #expect(bench.slots.snapshot.taken(.linux) == 0)
            #expect(bench.bundles.isEmpty)
        }
    }
}
