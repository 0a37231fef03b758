enum GuestSSHPlaceholder {}
