/// Helpers that tests of several rooms share.
public enum Support {}
