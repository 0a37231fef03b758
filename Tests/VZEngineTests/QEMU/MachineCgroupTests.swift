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
        let capable = ShareServerKind(path: "/v", help: "--shared-dir <DIR> --modcaps=<CAPS>")
        #expect(
            capable.arguments(source: "/", readOnly: false, descriptor: 3, isRoot: true).last == "--modcaps=-mknod",
            "a guest's root makes no devices here")
        #expect(capable.arguments(source: "/", readOnly: false, descriptor: 3, isRoot: false).last == "none")
    }
}
