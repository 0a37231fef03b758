import Logging
import Proto
import Registry
import Testing
import VMImages

@testable import CRIShim

@Suite struct RuntimeChoiceTests {
    private static let vmID = "sha256:" + String(repeating: "a", count: 64)
    private static let dockerID = "sha256:" + String(repeating: "b", count: 64)
    private static let unknownID = "sha256:" + String(repeating: "c", count: 64)

    private struct Manifests: ManifestClassifier {
        func classify(_ image: ImageReference, auth: CRI.AuthConfig?) async throws -> RuntimeChoice.Kind? {
            switch image.name {
            case "far/machine": .vm
            case "far/container": .docker
            default: nil
            }
        }
    }

    private func choice(manifests: (any ManifestClassifier)? = Manifests()) throws -> RuntimeChoice {
        RuntimeChoice(
            vmImage: { ["machine", "both", "vms/here", Self.vmID].contains($0) ? Self.vmID : nil },
            dockerImage: { ["container", "both", "vms/docker", Self.dockerID].contains($0) ? Self.dockerID : nil },
            isCheckpoint: { $0 == "/saved/machine" },
            patterns: [try #require(ImagePattern("vms/*")), try #require(ImagePattern("far/container"))],
            manifests: manifests)
    }

    @Test(
        "the first rule that knows the image decides",
        arguments: [
            ("machine", RuntimeChoice.Kind.vm, "among the VM images", Self.vmID),
            ("/saved/machine", .vm, "a virtual machine's checkpoint", nil),
            (Self.vmID, .vm, "among the VM images", Self.vmID),
            ("container", .docker, "among Docker's images", Self.dockerID),
            (Self.dockerID, .docker, "among Docker's images", Self.dockerID),
            ("both", .vm, "among the VM images", Self.vmID),
            ("vms/here", .vm, "among the VM images", Self.vmID),
            ("vms/docker", .docker, "among Docker's images", Self.dockerID),
            ("vms/elsewhere:1", .vm, "the pattern vms/* of vmImages", nil),
            // A pattern comes before the manifest.
            ("far/container", .vm, "the pattern far/container", nil),
            ("far/machine", .vm, "its manifest", nil),
            ("far/unknown", .docker, "nothing says", nil),
            (Self.unknownID, .docker, "no image here has that id", nil),
            ("Not A Name", .docker, "nothing says", nil),
        ] as [(String, RuntimeChoice.Kind, String, String?)])
    func order(image: String, kind: RuntimeChoice.Kind, reason: String, id: String?) async throws {
        for handler in ["", "vm"] {
            let decision = try await choice().decide(image: image, handler: handler)
            #expect(decision.kind == kind)
            #expect(decision.reason.contains(reason), "\(decision.reason)")
            #expect(decision.id == id)
        }
        if kind == .docker {
            #expect(try await choice().decide(image: image, handler: "docker").kind == .docker)
        } else {
            let error = await #expect(throws: ShimError.self) {
                try await choice().decide(image: image, handler: "docker")
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(reason) == true)
        }
    }

    @Test("without a registry client the manifest is not asked for")
    func noManifests() async throws {
        #expect(try await choice(manifests: nil).decide(image: "far/machine").kind == .docker)
    }

    @Test(
        "what the pod says about its machines is checked",
        arguments: [
            (nil, "machine", true), (nil, "container", true),
            ("c", "machine", true), ("c", "container", false),
            ("a, c", "machine", true), ("a,b", "machine", false), ("a,b", "container", true),
            ("", "container", true), ("", "machine", false),
        ] as [(String?, String, Bool)])
    func annotation(value: String?, image: String, isAccepted: Bool) async throws {
        let annotations = value.map { [RuntimeChoice.annotation: $0] } ?? [:]
        if isAccepted {
            let decision = try await choice().decide(
                container: "c", image: image, handler: "", annotations: annotations)
            #expect(decision.kind == (image == "machine" ? .vm : .docker))
        } else {
            let error = await #expect(throws: ShimError.self) {
                try await choice().decide(container: "c", image: image, handler: "", annotations: annotations)
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(RuntimeChoice.annotation) == true)
        }
    }

    @Test("a store that fails is an error, not a guess")
    func failure() async throws {
        let choice = RuntimeChoice(
            vmImage: { _ in throw VMImageError(.badRecord, "damaged") }, dockerImage: { _ in nil })
        await #expect(throws: VMImageError.self) { try await choice.decide(image: "x") }
    }

    @Test("an adapter is told the runtime, why, and the digest of what is here")
    func classify() async throws {
        let service = ImageClassifier(choice: try choice())
        let machine = try await service.classify(.init { $0.image = "machine" })
        #expect(machine.runtime == .runtimeVm)
        #expect(machine.digest == Self.vmID)
        #expect(machine.reason == "it is among the VM images here")
        let other = try await service.classify(.init { $0.image = "busybox" })
        #expect(other.runtime == .runtimeDocker)
        #expect(other.digest.isEmpty)
        await #expect(throws: ShimError.self) { try await service.classify(.init()) }
    }
}
