/// The messages and methods of the Container Runtime Interface, `runtime.v1`.
public enum CRI {}
