// What the daemon says: to whoever started it while that one is listening, to the log afterwards.
#ifndef BOUGH_LOG_H
#define BOUGH_LOG_H

#include <stdbool.h>

/// From now on messages go to the log: to standard error as BOUGH_LOG says, or to syslog(3).
void log_begin(bool to_stderr);

/// Something went wrong that somebody should know about. One line, no newline.
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/// Something worth a line in the log.
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
