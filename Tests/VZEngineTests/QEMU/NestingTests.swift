import Foundation
import Support
import Testing

@testable import VZEngine

@Suite("Machines in machines")
struct NestingTests {
    private let intel = QEMUPlatform(architecture: .x86_64)

    private func modules(_ directory: String, _ files: [String: String]) throws -> String {
        for (module, text) in files {
            let place = "\(directory)/\(module)/parameters"
            try FileManager.default.createDirectory(atPath: place, withIntermediateDirectories: true)
            try Data(text.utf8).write(to: URL(filePath: place + "/nested"))
        }
        return directory
    }

    @Test(
        "need KVM, and its module's leave",
        arguments: [
            (["kvm_intel": "Y\n"], "vmx"), (["kvm_intel": "1\n"], "vmx"), (["kvm_amd": "1\n"], "svm"),
        ])
    func allowed(_ files: [String: String], _ feature: String) async throws {
        try await withTemporaryDirectory { directory async throws in
            let modules = try modules(directory, files)
            #expect(try Nesting.find(.kvm, intel, modules: modules).feature == feature)
            #expect(throws: VZEngineError.self) { try Nesting.find(.tcg, intel, modules: modules) }
            #expect(throws: VZEngineError.self) {
                try Nesting.find(.kvm, QEMUPlatform(architecture: .aarch64), modules: modules)
            }
        }
    }

    @Test(
        "are refused without, with what to do",
        arguments: [
            (["kvm_intel": "N\n"], "options kvm_intel nested=1"), (["kvm_amd": "0\n"], "options kvm_amd nested=1"),
            ([:], "kvm_intel and kvm_amd"),
        ] as [([String: String], String)])
    func refused(_ files: [String: String], _ advice: String) async throws {
        try await withTemporaryDirectory { directory async throws in
            let modules = try modules(directory, files)
            let error = #expect(throws: VZEngineError.self) { try Nesting.find(.kvm, intel, modules: modules) }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains(advice) == true)
        }
    }

    @Test("a start by emulation refuses them")
    func start() async throws {
        try await withTemporaryDirectory { directory async throws in
            var config = MachineConfig(
                id: "m", sandboxID: "s", boot: .kernel(path: "/k", initrd: nil, commandLine: ""),
                credentials: .init(user: "u"))
            config.nestedVirtualization = true
            var options = QEMUOptions()
            (options.emulator, options.accelerator) = ("/bin/sh", .tcg)
            let (engine, refused) = (QEMUEngine(options), config)
            let bundle = MachineBundle(directory: directory + "/b", runDirectory: directory + "/r")
            let error = await #expect(throws: VZEngineError.self) { () async throws in
                _ = try await engine.start(refused, in: bundle)
            }
            #expect(error?.code == .invalidArgument)
            #expect(error?.message.contains("KVM") == true)
        }
    }
}
