import HostFiles
public import Logging
import NIOPosix
import Processes

/// Whether QEMU's guests can run machines of their own, by KVM's means: what an emulated processor has of them is no use to
/// anybody.
struct Nesting: Sendable, Hashable {
    /// What the processor's extension is called.
    var feature: String

    /// All that a processor may have.
    static let features = ["vmx", "svm"]

    /// Blocks for a moment.
    /// - Parameter modules: where the kernel says how its modules are set.
    /// - Throws: `VZEngineError` with `invalidArgument`: why they cannot, and what to do.
    static func find(
        _ accelerator: QEMUOptions.Accelerator, _ platform: QEMUPlatform, modules: String = "/sys/module"
    ) throws -> Nesting {
        func refusal(_ why: String) -> VZEngineError {
            VZEngineError(.invalidArgument, "the guest cannot run machines of its own on this host: \(why)")
        }
        guard accelerator == .kvm else {
            throw refusal("KVM does not work here, and QEMU emulates the processor; cri-shim doctor says more")
        }
        guard platform.architecture == .x86_64 else {
            throw refusal("KVM does so on processors of Intel and AMD only")
        }
        for (module, feature) in zip(["kvm_intel", "kvm_amd"], features) {
            let file = "\(modules)/\(module)/parameters/nested"
            let text: String
            do {
                text = try SystemFile.text(file)
            } catch {
                // The other maker's.
                continue
            }
            guard text.hasPrefix("Y") || text.hasPrefix("1") else {
                throw refusal(
                    "the module \(module) does not allow it; write \"options \(module) nested=1\" into "
                        + "/etc/modprobe.d/kvm.conf and load it anew (modprobe -r \(module); modprobe \(module))")
            }
            return Nesting(feature: feature)
        }
        throw refusal("neither of the modules kvm_intel and kvm_amd is loaded")
    }
}

extension QEMUNeeds {
    /// Why guests cannot run machines of their own here; nil when they can. Tries KVM at its first call since the host's
    /// start.
    public static func nestingRefusal(logger: Logger) async -> String? {
        do {
            let emulator = try Executables.find(Self.emulator)
            let options = QEMUOptions()
            let isUsable = await KVMProbe.isUsable(emulator: emulator, file: options.probeFile, logger: logger)
            return try await NIOThreadPool.singleton.runIfActive {
                do {
                    _ = try Nesting.find(isUsable ? .kvm : .tcg, .current)
                    return nil
                } catch let error as VZEngineError {
                    return error.message
                }
            }
        } catch {
            return "\(error)"
        }
    }
}
