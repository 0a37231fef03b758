/// What happens to a machine while it lives.
public enum MachineChange: Sendable, Hashable {
    /// The guest restarted: what was connected to it hangs, and what was mounted in it is not any more.
    case restarted
    /// It stands still, because the host's disk is full or fails, say.
    case stalled(reason: String)
    /// It goes on after it was stalled.
    case resumed
    /// The guest is reached elsewhere from now on, by what its network says.
    case addressChanged(GuestAddress)
    /// Its guest's kernel gave up, and it is kept as it is: its owner wants to look at it (`MachineConfig.holdOnFailure`), and
    /// powers it off.
    case panicked(message: String)
    /// Its network is gone, until it is restarted.
    case networkLost(reason: String)
}
