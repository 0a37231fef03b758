import Docker
import HostFiles
public import RPC
import Registry
import VMImages

/// The one place that says which gRPC status an error of this program becomes.
extension RPCError {
    init(describing error: any Error) {
        switch error {
        case let error as RPCError: self = error
        case let error as ShimError: self.init(error.code.status, error.description, cause: error)
        case let error as DockerError: self.init(error.code.status, error.description, cause: error)
        case let error as HostFilesError:
            self.init(error.code.status, error.description, cause: error)
        case let error as RegistryError: self.init(error.code.status, error.description, cause: error)
        case let error as VMImageError: self.init(error.code.status, error.description, cause: error)
        case is CancellationError: self.init(.cancelled, "the call was cancelled", cause: error)
        case let error as any RPCErrorConvertible: self = error.rpcError
        default: self.init(.unknown, String(describing: error), cause: error)
        }
    }
}

extension ShimError: RPCErrorConvertible {
    public var rpcError: RPCError { RPCError(describing: self) }
}

extension ShimError.Code {
    var status: RPCError.Code {
        switch kind {
        case .invalidArgument: .invalidArgument
        case .notFound: .notFound
        case .alreadyExists: .alreadyExists
        case .wrongState: .failedPrecondition
        case .unsupported: .unimplemented
        case .exhausted: .resourceExhausted
        case .deadline: .deadlineExceeded
        case .denied: .permissionDenied
        case .unavailable: .unavailable
        case .failed: .unknown
        case .corruptRecord, .newerRecord: .internalError
        }
    }
}

extension DockerError.Code {
    var status: RPCError.Code {
        switch self {
        case .invalidArgument: .invalidArgument
        case .notFound: .notFound
        case .conflict: .failedPrecondition
        case .unavailable: .unavailable
        default: .unknown
        }
    }
}

extension HostFilesError.Code {
    var status: RPCError.Code {
        switch self {
        case .invalidArgument, .escapes: .invalidArgument
        case .unavailable: .unavailable
        case .noSpace: .resourceExhausted
        default: .unknown
        }
    }
}

extension RegistryError.Code {
    var status: RPCError.Code {
        switch self {
        case .invalidArgument: .invalidArgument
        case .notFound: .notFound
        case .unauthorized, .forbidden: .permissionDenied
        case .unavailable, .tooManyRequests: .unavailable
        case .unsupported: .unimplemented
        default: .unknown
        }
    }
}

extension VMImageError.Code {
    var status: RPCError.Code {
        switch self {
        case .invalidArgument: .invalidArgument
        case .notFound: .notFound
        case .noSpace: .resourceExhausted
        case .badRecord, .newerRecord: .internalError
        default: .unknown
        }
    }
}
