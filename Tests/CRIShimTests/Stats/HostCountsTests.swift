import Testing

@testable import CRIShim

#if os(Linux)
import Glibc

@Suite struct HostCountsTests {
    @Test func `a container's control group is found on either version, and nobody else's is`() {
        let id = "ab12"
        #expect(
            HostCounts.directories("12:pids:/docker/ab12\n11:memory:/docker/ab12\n0::/\n", id) == [
                "/sys/fs/cgroup/pids/docker/ab12"
            ])
        #expect(
            HostCounts.directories("0::/system.slice/docker-ab12.scope\n", id).first
                == "/sys/fs/cgroup/system.slice/docker-ab12.scope")
        #expect(HostCounts.directories("12:pids:/docker/ff\n0::/user\nnonsense\n", id).isEmpty)
    }

    @Test func `the limit of open files is read from the kernel's table`() {
        let text = """
            Limit                     Soft Limit           Hard Limit           Units
            Max processes             unlimited            unlimited            processes
            Max open files            1024                 1048576              files
            """
        #expect(HostCounts.openFiles(text) == 1024)
        #expect(
            HostCounts.openFiles("Max open files            unlimited            unlimited            files") == nil)
        #expect(HostCounts.openFiles("") == nil)
    }

    @Test func `a process that is not the container's is not counted`() throws {
        #expect(try HostCounts.of("no-such-container", process: Int(getpid())) == nil)
        #expect(try HostCounts.of("x", process: 0) == nil)
    }
}
#endif
