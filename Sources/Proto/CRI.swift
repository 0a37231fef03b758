/// The messages and methods of the Container Runtime Interface, `runtime.v1`.
public enum CRI {}

/// The messages and methods of `vzcri.v1`: what an adapter on another machine needs of a host and CRI does not offer.
public enum HostAPI {}
