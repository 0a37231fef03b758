import Foundation
import VZEngine
import Virtualization

/// The framework's errors in our words: what was attempted, and what to do.
enum AppleErrors {
    /// What an error says of itself.
    static func words(of error: any Error) -> String {
        if let error = error as? VZEngineError { return error.description }
        let text = error.localizedDescription
        let number = (error as? VZError).map { " (VZError \($0.code.rawValue))" } ?? ""
        // The framework's second sentence often says more than the first.
        let reason = (error as NSError).localizedFailureReason.map { text.contains($0) ? "" : " \($0)" } ?? ""
        return text + reason + number
    }

    /// - Parameters:
    ///   - attempt: what was attempted, as in "cannot start the machine".
    ///   - code: of what the framework has no code for.
    static func error(_ attempt: String, _ error: any Error, code: VZEngineError.Code = .failed) -> any Error {
        if error is CancellationError { return error }
        if let error = error as? VZEngineError { return error }
        let words = words(of: error)
        func made(_ code: VZEngineError.Code, _ advice: String = "") -> VZEngineError {
            VZEngineError(code, "cannot \(attempt): \(words)" + (advice.isEmpty ? "" : "; \(advice)"))
        }
        if words.localizedCaseInsensitiveContains("entitlement") {
            return made(code, "sign vm-host with its entitlements: make sign")
        }
        guard let known = error as? VZError else { return made(code) }
        switch known.code {
        case .virtualMachineLimitExceeded: return made(.exhausted, limitAdvice(DiskHolders.otherMachines()))
        case .invalidVirtualMachineConfiguration: return made(.invalidArgument)
        case .invalidDiskImage:
            return made(.invalidArgument, "its disk must be a raw image of whole sectors, at a path without links")
        case .outOfDiskSpace: return made(.exhausted, "make room on the disk of the machines")
        case .operationCancelled: return CancellationError()
        case .notSupported: return made(.unsupported)
        case .restore:
            return made(
                code, "a saved state fits the very machine it was saved of only: its files, devices and identifier")
        default: return made(code)
        }
    }

    /// - Parameter others: the processes that run machines now.
    static func limitAdvice(_ others: [Int32]) -> String {
        let rule = "macOS runs two macOS guests at a time at most, all programs together"
        if others.isEmpty {
            return rule
                + "; another app runs some, or one that ended did not give its place back: then restart this Mac"
        }
        let numbers = others.map { "\($0)" }.joined(separator: ", ")
        return rule + "; machines run in the processes \(numbers): when none of them is a Mac that is yours or another "
            + "app's, one that ended did not give its place back: restart this Mac"
    }
}
