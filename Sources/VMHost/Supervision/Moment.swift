#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A point in time, for people and for deadlines.
struct Moment: Sendable, Hashable {
    /// Nanoseconds since 1970.
    var wall: Int64
    /// Since the supervisor began; unmoved when somebody sets the clock.
    var elapsed: Duration

    /// What makes moments.
    struct Clock: Sendable {
        private let start = ContinuousClock.now

        func now() -> Moment { Moment(wall: Self.wall(), elapsed: ContinuousClock.now - start) }

        /// The moment's instant, to sleep until.
        func instant(_ elapsed: Duration) -> ContinuousClock.Instant { start + elapsed }

        static func wall() -> Int64 {
            var time = timespec()
            clock_gettime(CLOCK_REALTIME, &time)
            return Int64(time.tv_sec) * 1_000_000_000 + Int64(time.tv_nsec)
        }
    }
}
