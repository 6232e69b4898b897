// Every function of the C API does what its comment says, errors included.

#include "check.h"

int main(void) {
    test_log();
    test_results();
    test_volumes();
    test_refs();
    test_names();
    test_utf16();
    test_attributes();
    test_content();
    test_xattrs();
    test_locks();
    test_events();
    test_diffs();
    test_control();
    test_paths();
    test_streams();
    test_foreign();
    test_opens();
    puts("functional: all is well");
    return 0;
}
