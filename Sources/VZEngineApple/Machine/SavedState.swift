import Foundation
import VZEngine
import Virtualization

// The framework saves machines on Apple silicon only.

extension VZVirtualMachineConfiguration {
    /// Why a machine of this configuration cannot be saved; nil when it can.
    var saveRefusal: String? {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        do {
            try validateSaveRestoreSupport()
            return nil
        } catch {
            return AppleErrors.words(of: error)
        }
        #else
        return "that needs a Mac with Apple silicon"
        #endif
    }
}

extension VZVirtualMachine {
    func saveMachineState(to path: String, _ done: Answer) {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        saveMachineStateTo(url: URL(fileURLWithPath: path)) { done.give($0) }
        #endif
    }

    func restoreMachineState(from path: String, _ done: Answer) {
        #if arch(arm64) || VIRTUALIZATION_DOUBLE
        restoreMachineStateFrom(url: URL(fileURLWithPath: path)) { done.give($0) }
        #endif
    }
}

extension Answer {
    /// Of those who say nothing but what went wrong.
    func give(_ error: (any Error)?) { give(error.map { .failure($0) } ?? .success(())) }
}
