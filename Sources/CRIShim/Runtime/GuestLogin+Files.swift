import HostFiles

extension GuestLogin {
    /// The same login with what was given in clear put into files that only this user can read.
    ///
    /// Blocks.
    /// - Parameter directory: made when absent, for this user alone.
    /// - Throws: `HostFilesError`.
    func withFiles(in directory: String) throws -> GuestLogin {
        var login = self
        if key != nil || password != nil || passphrase != nil { try Directories.make(directory, mode: 0o700) }
        if let key {
            let file = directory + "/guest-key"
            try AtomicFile.write(key, to: file, mode: 0o600)
            login.keyFile = file
            login.key = nil
        }
        if let passphrase {
            let file = directory + "/guest-passphrase"
            try AtomicFile.write(Array(passphrase.utf8), to: file, mode: 0o600)
            login.passphraseFile = file
            login.passphrase = nil
        }
        if let password {
            let file = directory + "/guest-password"
            try AtomicFile.write(Array(password.utf8), to: file, mode: 0o600)
            login.passwordFile = file
            login.password = nil
        }
        return login
    }
}
