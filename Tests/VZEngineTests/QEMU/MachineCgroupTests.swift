import Foundation
import Logging
import Processes
import Support
import Testing

@testable import VZEngine

@Suite("Control groups of machines")
struct MachineCgroupTests {
    private let logger = Logger(label: "test")

    @Test(
        "a parent is a path or a slice, and never leads outside",
        arguments: [
            ("/kubepods/burstable/pod1", "/kubepods/burstable/pod1"), ("kubepods//x/", "/kubepods/x"),
            (
                "kubepods-burstable-pod1_2.slice",
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice"
            ),
            ("system.slice", "/system.slice"), ("/a/b.slice", "/a/b.slice"), ("/../../etc", "/etc"),
            (".slice", "/.slice"),
        ])
    func paths(_ parent: String, _ path: String) {
        #expect(MachineCgroup.path(of: parent) == path)
    }

    @Test("the hierarchies are those that are mounted, each once")
    func table() {
        #if os(Linux)
        let table = """
            25 20 0:22 / /sys/fs/cgroup ro,nosuid shared:9 - tmpfs tmpfs ro,mode=755
            30 25 0:26 / /sys/fs/cgroup/unified rw,nosuid shared:10 - cgroup2 cgroup2 rw
            31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct
            31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw shared:11 - cgroup cgroup rw,cpu,cpuacct
            nonsense
            """
        #expect(CgroupHierarchies.parse(table) == ["/sys/fs/cgroup/unified", "/sys/fs/cgroup/cpu,cpuacct"])
        #endif
    }

    @Test("what was made is removed, what was there and what others use stays")
    func files() async throws {
        try await withTemporaryDirectory { directory async throws in
            let (one, two) = (directory + "/one", directory + "/two")
            for path in [one + "/pod", two] {
                try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            }
            let cgroup = MachineCgroup.make(
                path: "/pod/vzcri-1", in: [one, two, directory + "/absent"], logger: logger)
            #expect(FileManager.default.fileExists(atPath: one + "/pod/vzcri-1"))
            #expect(FileManager.default.fileExists(atPath: two + "/pod/vzcri-1"))
            let other = MachineCgroup.make(path: "/pod/vzcri-2", in: [one], logger: logger)
            await cgroup.remove()
            #expect(FileManager.default.fileExists(atPath: one + "/pod/vzcri-2"))
            #expect(!FileManager.default.fileExists(atPath: one + "/pod/vzcri-1"))
            #expect(!FileManager.default.fileExists(atPath: two + "/pod"))
            await other.remove()
            #expect(FileManager.default.fileExists(atPath: one + "/pod"))
        }
    }
}

@Suite("Which address a machine speaks from")
struct FrameReaderTests {
    private let mac: [UInt8] = [0x52, 0x54, 0, 0, 0, 0x0a]

    private func frame(_ type: [UInt8], _ offset: Int, _ address: [UInt8]) -> [UInt8] {
        var frame = [UInt8](repeating: 0xff, count: 6) + mac + type
        frame += [UInt8](repeating: 0, count: 60 - frame.count)
        frame.replaceSubrange(offset..<offset + 4, with: address)
        return frame
    }

    @Test("is the source of its packets and what it says in ARP")
    func found() {
        let packet = frame([8, 0], 26, [192, 168, 1, 7])
        #expect(FrameReader.sender(of: packet[...], "52:54:00:00:00:0A") == "192.168.1.7")
        #expect(FrameReader.sender(of: packet[...], "") == "192.168.1.7")
        let question = frame([8, 6], 28, [10, 0, 0, 9])
        #expect(FrameReader.sender(of: question[...], "52:54:00:00:00:0a") == "10.0.0.9")
    }

    @Test("is not another's, not the one of the time before DHCP, and no address of the link alone")
    func notFound() {
        #expect(FrameReader.sender(of: frame([8, 0], 26, [192, 168, 1, 7])[...], "52:54:00:00:00:0b") == nil)
        for address: [UInt8] in [[0, 0, 0, 0], [169, 254, 1, 1], [127, 0, 0, 1], [255, 255, 255, 255]] {
            #expect(FrameReader.sender(of: frame([8, 0], 26, address)[...], "") == nil)
        }
        #expect(FrameReader.sender(of: frame([0x86, 0xdd], 26, [192, 168, 1, 7])[...], "") == nil)
        #expect(FrameReader.sender(of: mac[...], "") == nil)
    }
}

@Suite("Which virtiofsd it is")
struct ShareServerKindTests {
    @Test("its help tells")
    func kinds() {
        let old = ShareServerKind(path: "/v", help: "-o source=PATH\n --fd=FDNUM")
        #expect(old.family == .qemu)
        #expect(!old.hasReadOnly)
        #expect(
            old.arguments(source: "/a,b\\c", readOnly: true, descriptor: 3, isRoot: true) == [
                "--fd=3", "-o", "source=/a\\,b\\\\c", "-o", "cache=auto", "-o", "sandbox=chroot", "-o",
                "log_level=warn",
            ])
        let new = ShareServerKind(path: "/v", help: "--shared-dir <DIR> --readonly")
        #expect(new.family == .rust)
        #expect(
            new.arguments(source: "/a,b", readOnly: true, descriptor: 3, isRoot: false) == [
                "--fd=3", "--shared-dir", "/a,b", "--cache", "auto", "--sandbox", "none", "--readonly",
            ])
        #expect(!new.arguments(source: "/", readOnly: false, descriptor: 3, isRoot: true).contains("--readonly"))
    }
}
