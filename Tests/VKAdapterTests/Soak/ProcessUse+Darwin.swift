#if canImport(Darwin)
import Darwin

@testable import VKAdapter

extension ProcessUse {
    static func threadsAndMemory() -> (threads: Int, memory: Int) {
        var threads: thread_act_array_t?
        var count: mach_msg_type_number_t = 0
        if task_threads(mach_task_self_, &threads, &count) == KERN_SUCCESS, let threads {
            for index in 0..<Int(count) { mach_port_deallocate(mach_task_self_, threads[index]) }
            let size = vm_size_t(Int(count) * MemoryLayout<thread_act_t>.stride)
            vm_deallocate(mach_task_self_, vm_address_t(UInt(bitPattern: threads)), size)
        }
        return (Int(count), Int((ProcessFacts.now().residentBytes ?? 0) >> 20))
    }
}
#endif
