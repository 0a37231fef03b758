#ifndef VZCRI_CFILES_H
#define VZCRI_CFILES_H

/* System calls that Swift does not see: their headers hide them from anybody who does not ask for GNU's. */

#ifdef __linux__
#include <sys/types.h>

/* Makes a stretch of a file a hole and keeps its size; -1 and errno as fallocate(2). */
int vz_punch_hole(int descriptor, off_t offset, off_t length);

/* As copy_file_range(2). */
ssize_t vz_copy_file_range(int from, off_t *from_offset, int to, off_t *to_offset, size_t length);
#endif

#endif
