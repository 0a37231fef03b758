import CSSH2

/// What libssh2 said.
struct SSHFailure: Error, CustomStringConvertible {
    var code: Int32
    var text: String
    var description: String { "\(text) (libssh2 \(code))" }

    /// It concerns one channel or request; the connection goes on.
    var isHarmless: Bool {
        switch code {
        case LIBSSH2_ERROR_CHANNEL_FAILURE, LIBSSH2_ERROR_CHANNEL_REQUEST_DENIED, LIBSSH2_ERROR_CHANNEL_CLOSED,
            LIBSSH2_ERROR_CHANNEL_EOF_SENT, LIBSSH2_ERROR_REQUEST_DENIED, LIBSSH2_ERROR_CHANNEL_UNKNOWN:
            true
        default: false
        }
    }

    var isAuthentication: Bool {
        switch code {
        case LIBSSH2_ERROR_AUTHENTICATION_FAILED, LIBSSH2_ERROR_PUBLICKEY_UNVERIFIED,
            LIBSSH2_ERROR_PUBLICKEY_UNRECOGNIZED,
            LIBSSH2_ERROR_PASSWORD_EXPIRED, LIBSSH2_ERROR_METHOD_NOT_SUPPORTED:
            true
        default: false
        }
    }

    var isUnusableKey: Bool { code == LIBSSH2_ERROR_FILE }
}
