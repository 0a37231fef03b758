#if os(Linux)
// On Linux the engine knows where its guests are.
#endif
