#ifdef __linux__
#define _GNU_SOURCE
#include <fcntl.h>
#include <unistd.h>
#endif

#include "CFiles.h"

#ifdef __linux__
int vz_punch_hole(int descriptor, off_t offset, off_t length) {
    return fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, offset, length);
}

ssize_t vz_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length) {
    return copy_file_range(from, from_offset, to, to_offset, length, 0);
}
#endif
