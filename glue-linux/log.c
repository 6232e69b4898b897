// What the daemon says. Before it serves anything: plain lines on standard error. Afterwards core's log takes them.

#include "log.h"

#include <bough.h>
#include <fuse_log.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>

enum { LINE_BYTES = 1024 };

static atomic_bool begun;

static void say(uint32_t level, const char *format, va_list arguments)
{
    char line[LINE_BYTES];
    vsnprintf(line, sizeof line, format, arguments);
    size_t length = strcspn(line, "\n");
    line[length] = '\0';
    if (atomic_load(&begun))
        fs_log_write(level, line, length);
    else if (level <= FS_LOG_WARN)
        fprintf(stderr, "bough-fuse: %s\n", line);
}

void log_error(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(FS_LOG_ERROR, format, arguments);
    va_end(arguments);
}

void log_info(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    say(FS_LOG_INFO, format, arguments);
    va_end(arguments);
}

static void take_from_libfuse(enum fuse_log_level level, const char *format, va_list arguments)
{
    if (level == FUSE_LOG_DEBUG)
        vfprintf(stderr, format, arguments);
    else
        say(level <= FUSE_LOG_WARNING ? FS_LOG_WARN : FS_LOG_INFO, format, arguments);
}

static void to_syslog(void *context, uint32_t level, const char *text, size_t length)
{
    (void)context;
    int priority = level == FS_LOG_ERROR ? LOG_ERR : level == FS_LOG_WARN ? LOG_WARNING : LOG_INFO;
    syslog(priority, "%.*s", (int)length, text);
}

void log_begin(bool to_stderr)
{
    fuse_set_log_func(take_from_libfuse);
    if (to_stderr) {
        fs_log_init();
    } else {
        openlog("bough-fuse", LOG_PID, LOG_DAEMON);
        fs_log_set(to_syslog, NULL, FS_LOG_WARN);
    }
    atomic_store(&begun, true);
}
