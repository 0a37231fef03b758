import Foundation
import Proto
import Support
import Testing

/// Pods of virtual machines, with a real guest under QEMU and no Docker Engine at all.
@Suite(.enabled(if: MachineHost.canRun, MachineHost.skipReason)) struct MachinePodTests {
    @Test func `a machine image is not for Docker, and an unknown handler is refused`() async throws {
        try await MachineHost.with { shim in
            await #expect(throws: (any Error).self) {
                _ = try await shim.runSandbox(shim.sandboxConfig("docker"), handler: "docker")
            }
            let images = try await shim.call(CRI.ImageService.listImages, .init()).images
            #expect(images.map(\.repoTags) == [[MachineHost.image]])
            #expect(images.first?.id.hasPrefix("sha256:") == true)
        }
    }
}
